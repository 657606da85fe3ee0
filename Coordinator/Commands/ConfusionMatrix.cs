namespace Distributed.Coordinator.Commands;

/// <summary>How well a class is told from the others.</summary>
/// <param name="Precision">Share of those that were taken for it which are of it; null where none was.</param>
/// <param name="Recall">Share of those that are of it which were taken for it; null where there are none.</param>
internal sealed record ClassQuality(long Samples, double? Precision, double? Recall)
{
    /// <summary>Harmonic mean of the two; null where either is missing or both are 0.</summary>
    public double? F1 => Precision + Recall is > 0 ? 2 * Precision * Recall / (Precision + Recall) : null;
}

/// <summary>How many samples of each class were taken for each.</summary>
internal sealed class ConfusionMatrix
{
    private readonly long[] _counts;

    private ConfusionMatrix(int classes, long[] counts) => (Classes, _counts) = (classes, counts);

    public int Classes { get; }

    public long this[int actual, int predicted] => _counts[(actual * Classes) + predicted];

    /// <summary>From the tallies that an evaluation gives behind its other metrics: class by class, what its samples were taken for.</summary>
    /// <returns>Null where they are no square, or no counts.</returns>
    public static ConfusionMatrix? Of(ReadOnlySpan<double> tallies)
    {
        var classes = (int)Math.Sqrt(tallies.Length);
        if (classes == 0 || classes * classes != tallies.Length) return null;
        var counts = new long[tallies.Length];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = (long)tallies[i];
            if (counts[i] < 0 || counts[i] != tallies[i]) return null;
        }
        return new(classes, counts);
    }

    /// <summary>How well each class is told from the others.</summary>
    public IReadOnlyList<ClassQuality> Qualities() =>
    [
        .. Enumerable.Range(0, Classes).Select(c =>
        {
            var (actual, predicted) = (Enumerable.Range(0, Classes).Sum(p => this[c, p]), Enumerable.Range(0, Classes).Sum(a => this[a, c]));
            return new ClassQuality(actual, predicted > 0 ? (double)this[c, c] / predicted : null, actual > 0 ? (double)this[c, c] / actual : null);
        }),
    ];

    public IReadOnlyList<IReadOnlyList<long>> Rows() =>
        [.. Enumerable.Range(0, Classes).Select(a => (IReadOnlyList<long>)[.. Enumerable.Range(0, Classes).Select(p => this[a, p])])];
}
