using System.IO.Hashing;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// In-place operations with a number that keep its scalar alive. TorchSharp's own overloads pass only the scalar's address to libtorch, so
/// a garbage collection during the call can free it; libtorch then reads freed memory (docs/torchsharp.md).
/// </summary>
internal static class Scalars
{
    public static Tensor MultiplyBy(this Tensor tensor, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.mul_(scalar);
    }

    public static Tensor DivideBy(this Tensor tensor, double divisor)
    {
        using var scalar = divisor.ToScalar();
        return tensor.div_(scalar);
    }

    public static Tensor Add(this Tensor tensor, double number)
    {
        using var scalar = number.ToScalar();
        // An implicit factor would be a scalar that nothing keeps alive.
        using var one = 1.ToScalar();
        return tensor.add_(scalar, one);
    }

    public static Tensor AddTimes(this Tensor tensor, Tensor other, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.add_(other, alpha: scalar);
    }

    public static Tensor AddProduct(this Tensor tensor, Tensor left, Tensor right, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.addcmul_(left, right, scalar);
    }

    public static Tensor AddQuotient(this Tensor tensor, Tensor numerator, Tensor denominator, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.addcdiv_(numerator, denominator, scalar);
    }
}

/// <summary>Copies between float32 tensors on any device and memory of this process, of the same length.</summary>
internal static class HostMemory
{
    public static void Export(Tensor tensor, Span<float> destination)
    {
        if (destination.IsEmpty) return;
        using var host = tensor.cpu();
        MemoryMarshal.Cast<byte, float>(host.bytes).CopyTo(destination);
    }

    public static void Append(XxHash128 hash, Tensor tensor)
    {
        if (tensor.numel() == 0) return;
        // Every round hashes the parameters; on the CPU even another handle of the tensor would be an allocation.
        using var host = tensor.device_type == DeviceType.CPU ? null : tensor.cpu();
        hash.Append((host ?? tensor).bytes);
    }

    public static void Import(ReadOnlySpan<float> source, Tensor tensor)
    {
        if (source.IsEmpty) return;
        if (tensor.device_type == DeviceType.CPU)
        {
            source.CopyTo(MemoryMarshal.Cast<byte, float>(tensor.bytes));
            return;
        }
        using var host = empty([source.Length], ScalarType.Float32);
        source.CopyTo(MemoryMarshal.Cast<byte, float>(host.bytes));
        tensor.copy_(host);
    }
}
