namespace Distributed.Bench.Results;

/// <summary>Medians, which a few disturbed repetitions do not move.</summary>
internal static class Median
{
    public static double Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0) throw new ArgumentException("no values to take the median of", nameof(values));
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Null unless every item has a value.</summary>
    public static double? Of<T>(IReadOnlyCollection<T> items, Func<T, double?> value) =>
        items.All(item => value(item) is not null) ? Of(items.Select(item => value(item)!.Value)) : null;
}
