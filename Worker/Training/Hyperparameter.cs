namespace Distributed.Worker.Training;

/// <summary>The checks that every update rule makes on its hyper-parameters.</summary>
internal static class Hyperparameter
{
    internal static double NonNegative(double value, string name) => value >= 0 && double.IsFinite(value)
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be a number of at least 0.");

    internal static double Decay(double value, string name) => value is >= 0 and < 1
        ? value
        : throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; it must be at least 0 and below 1.");
}
