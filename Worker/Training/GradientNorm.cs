using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>The Euclidean norm of a gradient, and clipping to it.</summary>
internal static class GradientNorm
{
    /// <summary>Scales the gradient by maxNorm / (norm + 1e-6) if that is below 1, as torch.nn.utils.clip_grad_norm_ does.</summary>
    /// <param name="gradient">Float32 [parameters], contiguous; scaled in place, also by a norm that is not finite, as in PyTorch.</param>
    /// <param name="maxNorm">Above 0; null only measures.</param>
    /// <returns>
    /// The norm before clipping, with the squares summed in float64. On the CPU the order of the sum is fixed, so the bits depend neither
    /// on the CPU type nor on the thread count; elsewhere it is torch's order.
    /// </returns>
    public static double Clip(Tensor gradient, double? maxNorm)
    {
        if (maxNorm is not (null or > 0))
            throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm, $"The largest gradient norm is {maxNorm}; it must be above 0.");
        var norm = Math.Sqrt(gradient.device_type is DeviceType.CPU ? SumOfSquares(gradient) : SumOfSquaresOnDevice(gradient));
        // The comparison is negated so that a NaN norm scales, too.
        if (maxNorm / (norm + 1e-6) is { } coefficient && !(coefficient >= 1)) gradient.MultiplyBy(coefficient);
        return norm;
    }

    private static double SumOfSquaresOnDevice(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        return gradient.to(float64).square().sum().item<double>();
    }

    private static double SumOfSquares(Tensor gradient)
    {
        // A span has at most 2^31 - 1 bytes.
        const long largestSpan = 1L << 28;
        var sum = 0.0;
        for (long offset = 0, length = gradient.numel(); offset < length; offset += largestSpan)
        {
            using var part = gradient.narrow(0, offset, Math.Min(largestSpan, length - offset));
            sum += SumOfSquares(MemoryMarshal.Cast<byte, float>(part.bytes));
        }
        return sum;
    }

    /// <summary>
    /// Sixteen running sums, element i into sum i mod 16, which are then added in order: the vector types have these widths on every CPU,
    /// if necessary in software. The square of a float is exact in a double, so a fused multiply-add gives the same bits.
    /// </summary>
    private static double SumOfSquares(ReadOnlySpan<float> values)
    {
        Vector512<double> low = default, high = default;
        var vectors = MemoryMarshal.Cast<float, Vector512<float>>(values);
        foreach (var vector in vectors)
        {
            var (lower, upper) = Vector512.Widen(vector);
            low += lower * lower;
            high += upper * upper;
        }
        // Lane by lane: the order of Vector512.Sum depends on the CPU.
        low += high;
        var sum = 0.0;
        for (var lane = 0; lane < Vector512<double>.Count; lane++) sum += low[lane];
        foreach (double value in values[(vectors.Length * Vector512<float>.Count)..]) sum += value * value;
        return sum;
    }
}
