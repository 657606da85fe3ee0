namespace Distributed.Worker.Tests.Oracle;

/// <summary>
/// An activation function σ, applied element by element, with its derivative.
/// M. Nielsen, "Neural Networks and Deep Learning" (2015), chapters 1 and 3.
/// </summary>
public sealed record Activation(string Name, Func<double, double> Value, Func<double, double> Derivative)
{
    /// <summary>σ(z) = 1 / (1 + e^-z); σ'(z) = σ(z) (1 - σ(z)).</summary>
    public static Activation Sigmoid { get; } = new("sigmoid", Logistic, z => Logistic(z) * (1 - Logistic(z)));

    /// <summary>σ(z) = max(0, z); σ'(z) = 1 for z > 0, else 0 (also at 0, by convention).</summary>
    public static Activation ReLU { get; } = new("relu", z => Math.Max(0, z), z => z > 0 ? 1 : 0);

    public override string ToString() => Name;

    private static double Logistic(double z) => 1 / (1 + Math.Exp(-z));
}
