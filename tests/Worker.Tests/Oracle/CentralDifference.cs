namespace Distributed.Worker.Tests.Oracle;

/// <summary>
/// Derivatives by f'(x) ≈ (f(x + h) - f(x - h)) / 2h. The formula is wrong by h²/6 · f''' and the rounding of f by
/// about 10⁻¹⁶ |f| / h, so h = 10⁻⁵ leaves some 10⁻¹⁰ of either.
/// </summary>
public static class CentralDifference
{
    /// <summary>The step h.</summary>
    public const double Step = 1e-5;

    /// <summary>The largest error of a derivative: the errors above, for a third derivative of up to some hundreds.</summary>
    public static double Tolerance(double derivative) => 1e-7 * (1 + Math.Abs(derivative));

    /// <summary>f'(x).</summary>
    public static double Of(Func<double, double> f, double x) => (f(x + Step) - f(x - Step)) / (2 * Step);

    /// <summary>∂f/∂x for a variable that f reads by reference; it is restored afterwards.</summary>
    public static double Of(Func<double> f, ref double x)
    {
        var before = x;
        x = before + Step;
        var above = f();
        x = before - Step;
        var below = f();
        x = before;
        return (above - below) / (2 * Step);
    }
}
