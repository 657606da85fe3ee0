using System.Globalization;
using System.Text.RegularExpressions;

namespace Distributed.Core.Scores;

/// <summary>
/// The quality of a model on the test set as one number, higher is better. It is computed from sums over the samples, so workers can add
/// their parts without a model and in any order.
/// </summary>
/// <param name="Name">Name in snake_case, as in files and exported metrics.</param>
/// <param name="Title">Name for people.</param>
public abstract partial record Metric(string Name, string Title)
{
    /// <summary>Fraction of the samples that are classified correctly.</summary>
    public static Metric Accuracy { get; } = new ShareOfHits("accuracy", "accuracy");

    /// <summary>Coefficient of determination: the fraction of the targets' variance that is explained.</summary>
    public static Metric R2 { get; } = new CoefficientOfDetermination();

    /// <summary>Quality of a segmentation, see <see cref="Scores.MeanIou"/>.</summary>
    public static Metric MeanIou { get; } = new MeanIou();

    /// <summary>Quality of object detection, see <see cref="Scores.AveragePrecision"/>.</summary>
    public static Metric AveragePrecision { get; } = new AveragePrecision();

    /// <summary>Fraction of generated samples that a classifier assigns to the requested class.</summary>
    public static Metric Recognized { get; } = new ShareOfHits("recognized", "recognized");

    /// <summary>The metrics of the built-in tasks.</summary>
    public static IReadOnlyList<Metric> All { get; } = [Accuracy, R2, MeanIou, AveragePrecision, Recognized];

    /// <summary>Finds a built-in metric, or makes the metric of a plugin's task, which is the mean of its first sum.</summary>
    /// <param name="name">1 to 40 characters: a lower-case letter, then lower-case letters, digits and underscores.</param>
    /// <returns>Null if the name is malformed.</returns>
    public static Metric? Find(string? name) =>
        All.FirstOrDefault(metric => metric.Name == name) ?? (name is not null && Names().IsMatch(name) ? new MeanOfFirst(name) : null);

    [GeneratedRegex(@"^[a-z][a-z0-9_]{0,39}\z")]
    private static partial Regex Names();

    /// <summary>Whether the value is a fraction from 0 to 1, shown as a percentage.</summary>
    public virtual bool IsShare => false;

    /// <summary>Least number of sums that <see cref="Of"/> needs.</summary>
    public virtual int Sums => 1;

    /// <summary>Computes the value.</summary>
    /// <param name="sums">The task's tallies behind the loss, summed over the samples: <see cref="Sums"/> or more.</param>
    /// <param name="samples">Number of samples, at least 1.</param>
    /// <returns>NaN if the metric is undefined for these samples.</returns>
    public abstract double Of(ReadOnlySpan<double> sums, long samples);

    /// <summary>Formats a value for people: 97.22 %, 0.812.</summary>
    /// <param name="value">A value of this metric.</param>
    public string Text(double value) => IsShare
        ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:0.00} %")
        : string.Create(CultureInfo.InvariantCulture, $"{value:0.000}");
}

internal sealed record ShareOfHits(string Name, string Title) : Metric(Name, Title)
{
    public override bool IsShare => true;

    public override double Of(ReadOnlySpan<double> sums, long samples) => sums[0] / samples;
}

/// <summary>
/// R² = 1 − Σ(t − y)² / Σ(t − mean t)²: 0 for a model that always predicts the mean, negative for a worse one.
/// The sums: squared errors, targets, squared targets.
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

internal sealed record MeanOfFirst(string Name) : Metric(Name, Name.Replace('_', ' '))
{
    public override double Of(ReadOnlySpan<double> sums, long samples) => sums.Length > 0 ? sums[0] / samples : double.NaN;
}

/// <summary>A metric with a value.</summary>
/// <param name="Metric">The metric.</param>
/// <param name="Value">Its value; NaN if undefined.</param>
public readonly record struct MetricValue(Metric Metric, double Value)
{
    /// <summary>Title and value for people: accuracy 97.22 %.</summary>
    public override string ToString() => $"{Metric.Title} {Metric.Text(Value)}";
}
