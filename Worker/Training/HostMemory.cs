using System.IO.Hashing;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>Copies between flat vectors, wherever they lie, and memory of this process.</summary>
internal static class HostMemory
{
    /// <summary>Writes a float32 tensor into memory of the same length.</summary>
    public static void Export(Tensor tensor, Span<float> destination)
    {
        if (destination.IsEmpty) return;
        using var host = tensor.cpu();
        MemoryMarshal.Cast<byte, float>(host.bytes).CopyTo(destination);
    }

    /// <summary>Adds the bytes of a float32 tensor to a hash.</summary>
    public static void Append(XxHash128 hash, Tensor tensor)
    {
        if (tensor.numel() == 0) return;
        if (tensor.device_type == TorchSharp.DeviceType.CPU)
        {
            hash.Append(tensor.bytes);
            return;
        }
        using var host = tensor.cpu();
        hash.Append(host.bytes);
    }

    /// <summary>Writes memory into a float32 tensor of the same length.</summary>
    public static void Import(ReadOnlySpan<float> source, Tensor tensor)
    {
        if (source.IsEmpty) return;
        if (tensor.device_type == TorchSharp.DeviceType.CPU)
        {
            source.CopyTo(MemoryMarshal.Cast<byte, float>(tensor.bytes));
            return;
        }
        using var host = empty([source.Length], ScalarType.Float32);
        source.CopyTo(MemoryMarshal.Cast<byte, float>(host.bytes));
        tensor.copy_(host);
    }
}
