using System.Runtime.CompilerServices;

namespace Distributed.Worker.Tasks;

/// <summary>The checks that every model makes on its constructor's arguments.</summary>
internal static class ModelArguments
{
    public static int Positive(int value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value > 0 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be at least 1.");

    public static double Probability(double value, [CallerArgumentExpression(nameof(value))] string? name = null) =>
        value is >= 0 and < 1
            ? value
            : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it is a probability, at least 0 and below 1.");

    public static void Halvable(int height, int width, int times)
    {
        var unit = 1 << times;
        if (Positive(height) % unit == 0 && Positive(width) % unit == 0) return;
        throw new ArgumentException(
            $"An image of {height}x{width} cannot be halved {times} times: with {times + 1} levels of channels, both sides must be " +
            $"multiples of {unit}. Give fewer channels, or other images.");
    }
}
