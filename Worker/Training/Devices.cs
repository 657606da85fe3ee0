using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>A device was asked for that is not there, or in words that mean none.</summary>
/// <param name="message">What was asked for, what was found, what is allowed.</param>
internal sealed class DeviceException(string message) : Exception(message);

/// <summary>Turns the device named in an option or a job into torch's.</summary>
internal static class Devices
{
    /// <param name="spec"><c>auto</c> (CUDA where there is one, else CPU), <c>cpu</c>, <c>cuda</c> (the first) or <c>cuda:N</c>.</param>
    /// <exception cref="DeviceException">The name is none of these, or the CUDA device is not there.</exception>
    public static Device Resolve(string spec) => Resolve(spec, static () => cuda.is_available() ? cuda.device_count() : 0);

    /// <summary>Resolves a device name on a machine with a given number of CUDA devices.</summary>
    /// <param name="spec"><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</param>
    /// <param name="countCudaDevices">Counts the CUDA devices; called only where the name asks for one.</param>
    /// <exception cref="DeviceException">The name is none of these, or the CUDA device is not there.</exception>
    public static Device Resolve(string spec, Func<int> countCudaDevices)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(countCudaDevices);
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
            ? $"Device '{spec}' was asked for, but no CUDA device was found. Use 'cpu' or 'auto', or a worker built with TorchBackend=cuda on a machine with an NVIDIA driver."
            : $"Device '{spec}' was asked for, but {found} CUDA device(s) were found: cuda:0 to cuda:{found - 1}.");
}
