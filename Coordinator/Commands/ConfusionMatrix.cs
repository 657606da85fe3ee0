namespace Distributed.Coordinator.Commands;

/// <param name="Precision">Null where no sample was classified as this class.</param>
/// <param name="Recall">Null where the class has no sample.</param>
internal sealed record ClassQuality(long Samples, double? Precision, double? Recall)
{
    /// <summary>Null where precision or recall is missing or both are 0.</summary>
    public double? F1 => Precision + Recall is > 0 ? 2 * Precision * Recall / (Precision + Recall) : null;
}

internal sealed class ConfusionMatrix
{
    private readonly long[] _counts;

    private ConfusionMatrix(int classes, long[] counts) => (Classes, _counts) = (classes, counts);

    public int Classes { get; }
    public long this[int actual, int predicted] => _counts[(actual * Classes) + predicted];

    /// <summary>From the sums of an evaluation that follow its other metrics: the row of each actual class.</summary>
    /// <returns>Null where they are not a square of counts.</returns>
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

    public IReadOnlyList<ClassQuality> Qualities()
    {
        var all = Enumerable.Range(0, Classes);
        return [.. all.Select(c =>
        {
            var (actual, predicted, right) = (all.Sum(p => this[c, p]), all.Sum(a => this[a, c]), (double)this[c, c]);
            return new ClassQuality(actual, predicted > 0 ? right / predicted : null, actual > 0 ? right / actual : null);
        })];
    }

    public IReadOnlyList<IReadOnlyList<long>> Rows() => [.. _counts.Chunk(Classes)];
}
