using System.Globalization;
using System.Text.RegularExpressions;

namespace Distributed.Core.Scores;

/// <summary>
/// What a task is judged by on the test set: one number, of which more is better, from what was summed over its samples. Whoever adds
/// needs no model, and the order of the samples does not matter.
/// </summary>
/// <param name="Name">In snake_case, as files and metrics have it.</param>
/// <param name="Title">As people read it.</param>
public abstract partial record Metric(string Name, string Title)
{
    /// <summary>Share of the samples whose class was found.</summary>
    public static Metric Accuracy { get; } = new ShareOfHits("accuracy", "accuracy");

    /// <summary>Share of the targets' variance that is explained.</summary>
    public static Metric R2 { get; } = new CoefficientOfDetermination();

    /// <summary>How much of each class's pixels is found, and nothing else.</summary>
    public static Metric MeanIou { get; } = new MeanIou();

    /// <summary>How well things are found in images.</summary>
    public static Metric AveragePrecision { get; } = new AveragePrecision();

    /// <summary>Share of generated samples that are taken for what was asked for.</summary>
    public static Metric Recognized { get; } = new ShareOfHits("recognized", "recognized");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Metric> All { get; } = [Accuracy, R2, MeanIou, AveragePrecision, Recognized];

    /// <summary>The one of a name, which is that of a plugin's task where none is called so; null where a metric cannot be called so.</summary>
    public static Metric? Find(string? name) => All.FirstOrDefault(metric => metric.Name == name) ?? (name is not null && Names().IsMatch(name) ? new MeanOfFirst(name) : null);

    [GeneratedRegex(@"^[a-z][a-z0-9_]{0,39}\z")]
    private static partial Regex Names();

    /// <summary>Whether it is a share of something, 0 to 1, which people read as a percentage.</summary>
    public virtual bool IsShare => false;

    /// <summary>Sums that it is made of, at least.</summary>
    public virtual int Sums => 1;

    /// <summary>The number.</summary>
    /// <param name="sums">The task's tallies behind the loss, summed over the samples; <see cref="Sums"/> or more.</param>
    /// <param name="samples">How many samples, at least 1.</param>
    /// <returns>Not a number where these samples do not define it.</returns>
    public abstract double Of(ReadOnlySpan<double> sums, long samples);

    /// <summary>A value as people read it: 97.22 %, 0.812.</summary>
    public string Text(double value) => IsShare
        ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.00} %")
        : string.Create(CultureInfo.InvariantCulture, $"{value:0.000}");
}

/// <summary>Sums: samples whose class was found.</summary>
internal sealed record ShareOfHits(string Name, string Title) : Metric(Name, Title)
{
    public override bool IsShare => true;

    public override double Of(ReadOnlySpan<double> sums, long samples) => sums[0] / samples;
}

/// <summary>
/// R² = 1 − Σ(t − y)² / Σ(t − mean t)²: 0 for whoever always says the mean, below it for worse. Sums: the squared errors, the targets t,
/// their squares.
/// </summary>
internal sealed record CoefficientOfDetermination() : Metric("r2", "R²")
{
    public override int Sums => 3;

    public override double Of(ReadOnlySpan<double> sums, long samples)
    {
        var variation = sums[2] - (sums[1] * sums[1] / samples);
        return variation > 0 ? 1 - (sums[0] / variation) : double.NaN;
    }
}

/// <summary>That of a task of the user's own: the mean of what it measures first.</summary>
internal sealed record MeanOfFirst(string Name) : Metric(Name, Name.Replace('_', ' '))
{
    public override double Of(ReadOnlySpan<double> sums, long samples) => sums.Length > 0 ? sums[0] / samples : double.NaN;
}

/// <summary>A metric and what it was.</summary>
/// <param name="Metric">The metric.</param>
/// <param name="Value">Its value.</param>
public readonly record struct MetricValue(Metric Metric, double Value)
{
    /// <summary>As people read it: accuracy 97.22 %.</summary>
    public override string ToString() => $"{Metric.Title} {Metric.Text(Value)}";
}
