using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Operations with a number, which hold on to it. TorchSharp makes an object of the number and passes its address on alone, so
/// that a garbage collection during the call may free it under the feet of libtorch, which then computes with whatever lies
/// there, or throws (docs/torchsharp.md).
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
        // Left out, it would be made on the way, and let go.
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
