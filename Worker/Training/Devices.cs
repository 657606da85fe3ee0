using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>The device asked for is missing, or its name is malformed.</summary>
internal sealed class DeviceException(string message) : Exception(message);

internal static class Devices
{
    /// <param name="spec"><c>auto</c> (CUDA if available, else CPU), <c>cpu</c>, <c>cuda</c> (the first) or <c>cuda:N</c>.</param>
    /// <param name="countCudaDevices">Called only if the name can mean a CUDA device; null asks libtorch.</param>
    /// <exception cref="DeviceException">The name is malformed, or the CUDA device is missing.</exception>
    public static Device Resolve(string spec, Func<int>? countCudaDevices = null)
    {
        countCudaDevices ??= static () => cuda.is_available() ? cuda.device_count() : 0;
        return spec switch
        {
            "cpu" => CPU,
            "auto" => countCudaDevices() > 0 ? new Device(DeviceType.CUDA, 0) : CPU,
            "cuda" => Cuda(spec, 0, countCudaDevices()),
            _ when spec.StartsWith("cuda:", StringComparison.Ordinal)
                && int.TryParse(spec.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                => Cuda(spec, index, countCudaDevices()),
            _ => throw new DeviceException($"Unknown device '{spec}'; it is 'auto', 'cpu', 'cuda' or 'cuda:N', with N from 0."),
        };
    }

    private static Device Cuda(string spec, int index, int found) => index < found
        ? new Device(DeviceType.CUDA, index)
        : throw new DeviceException(found == 0
            ? $"Device '{spec}' was asked for, but no CUDA device was found. Use 'cpu' or 'auto', or a worker built with TorchBackend=cuda "
                + "on a machine with an NVIDIA driver."
            : $"Device '{spec}' was asked for, but {found} CUDA device(s) were found: cuda:0 to cuda:{found - 1}.");
}
