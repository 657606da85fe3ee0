namespace Distributed.Bench.Results;

/// <summary>The middle of what was measured: what disturbs a few repetitions leaves it alone.</summary>
internal static class Median
{
    /// <summary>The middle value, or the mean of the two in the middle.</summary>
    /// <exception cref="ArgumentException">There are no values.</exception>
    public static double Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0) throw new ArgumentException("a median of no values was asked for", nameof(values));
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Likewise; null unless every item has a value.</summary>
    public static double? Of<T>(IReadOnlyCollection<T> items, Func<T, double?> value) =>
        items.All(item => value(item) is not null) ? Of(items.Select(item => value(item)!.Value)) : null;
}
