using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>The Euclidean norm of a gradient, and clipping to it.</summary>
internal static class GradientNorm
{
    /// <summary>
    /// Scales the gradient down to a norm of at most <paramref name="maxNorm"/>, as
    /// <see href="https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html">torch.nn.utils.clip_grad_norm_</see>:
    /// by maxNorm / (norm + 1e-6) where that is below 1.
    /// </summary>
    /// <param name="gradient">Float32 [parameters], contiguous; scaled in place. A norm that is not finite makes it so too, as in PyTorch.</param>
    /// <param name="maxNorm">The largest norm, above 0; null only measures.</param>
    /// <returns>
    /// The norm before clipping, with the squares summed in float64: on the CPU in one fixed order, so that it has the same
    /// bits whatever the CPU type and the thread count; elsewhere in torch's order.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">The largest norm is not above 0.</exception>
    public static double Clip(Tensor gradient, double? maxNorm)
    {
        ArgumentNullException.ThrowIfNull(gradient);
        if (maxNorm is not (null or > 0))
            throw new ArgumentOutOfRangeException(nameof(maxNorm), maxNorm, $"The largest gradient norm is {maxNorm}; it must be above 0.");
        var norm = Math.Sqrt(gradient.device_type is DeviceType.CPU ? SumOfSquares(gradient) : SumOfSquaresOnDevice(gradient));
        // Written so that a norm that is not a number scales too.
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
    /// Sixteen running sums, element i into sum i mod 16, and those added in order: the vector types have these widths on every
    /// CPU, in software where need be. The square of a float is exact in a double, so fused or not makes no difference.
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
