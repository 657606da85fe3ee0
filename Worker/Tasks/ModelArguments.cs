using System.Runtime.CompilerServices;
using Distributed.Core;

namespace Distributed.Worker.Tasks;

/// <summary>The checks that models make on their specification and the shape of a sample.</summary>
internal static class ModelArguments
{
    public static int Positive(int value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value > 0 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be at least 1.");

    public static double Probability(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value is >= 0 and < 1
            ? value
            : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it is a probability, at least 0 and below 1.");

    public static (int Channels, int Height, int Width) Image(IReadOnlyList<int> shape) => shape is [var channels, var height, var width]
        ? (Positive(channels), Positive(height), Positive(width))
        : throw new DataException($"the model needs [channels, rows, columns]; a sample has the shape [{string.Join(", ", shape)}]");

    public static void Halvable(int height, int width, int times)
    {
        var unit = 1 << times;
        if (height % unit == 0 && width % unit == 0) return;
        throw new ArgumentException(
            $"An image of {height}x{width} cannot be halved {times} times: with {times + 1} levels of channels, both sides must be " +
            $"multiples of {unit}. Give fewer channels, or other images.");
    }
}
