namespace Distributed.Core.Scores;

/// <summary>
/// Mean average precision at an IoU of 0.5: the area under each class's precision-recall curve, averaged over the classes
/// (Everingham et al. 2010, section 4.2, with all points of the curve, as in VOC 2010 and later). Classes without ground truth are skipped.
/// </summary>
/// <remarks>
/// The exact curve needs all boxes of the test set sorted by score, but workers can only add sums. So hits and misses are counted in bins
/// of scores, and boxes of one bin count as equally good. The result is at most the exact area, and equal to it where no bin has both hits
/// and misses. The sums of a class: the number of ground-truth objects, then the hits of each bin, then the misses of each bin.
/// </remarks>
public sealed record AveragePrecision() : Metric("average_precision_50", "mAP at IoU 0.5")
{
    /// <summary>Number of bins, of equal width, for scores from 0 to 1.</summary>
    public const int Bins = 100;

    private const int Stride = 1 + (2 * Bins);

    /// <inheritdoc/>
    public override bool IsShare => true;

    /// <inheritdoc/>
    public override int Sums => Stride;

    /// <summary>Number of sums.</summary>
    /// <param name="classes">Number of classes.</param>
    public static int SizeFor(int classes) => classes * Stride;

    /// <summary>Index of the number of ground-truth objects of a class.</summary>
    /// <param name="number">0-based class.</param>
    public static int TruthsOf(int number) => number * Stride;

    /// <summary>Index of the number of boxes of this class and score that match a ground-truth object.</summary>
    /// <param name="number">0-based class.</param>
    /// <param name="score">0 to 1.</param>
    public static int HitsOf(int number, float score) => TruthsOf(number) + 1 + Math.Min(Bins - 1, (int)(score * Bins));

    /// <summary>Index of the number of boxes of this class and score that match no ground-truth object.</summary>
    /// <param name="number">0-based class.</param>
    /// <param name="score">0 to 1.</param>
    public static int MissesOf(int number, float score) => HitsOf(number, score) + Bins;

    /// <inheritdoc/>
    public override double Of(ReadOnlySpan<double> sums, long samples)
    {
        var (sum, classes) = (0.0, 0);
        for (; sums.Length >= Stride; sums = sums[Stride..])
        {
            if (sums[0] == 0) continue;
            sum += Area(sums[0], sums[1..(1 + Bins)], sums[(1 + Bins)..Stride]);
            classes++;
        }
        return classes == 0 ? double.NaN : sum / classes;
    }

    // From the lowest score upwards, so that the best precision at this recall or a higher one is known.
    private static double Area(double truths, ReadOnlySpan<double> hits, ReadOnlySpan<double> misses)
    {
        var (found, wrong) = (0.0, 0.0);
        for (var bin = 0; bin < Bins; bin++) (found, wrong) = (found + hits[bin], wrong + misses[bin]);
        var (area, best) = (0.0, 0.0);
        for (var bin = 0; bin < Bins; bin++)
        {
            if (found > 0) best = Math.Max(best, found / (found + wrong));
            area += hits[bin] / truths * best;
            (found, wrong) = (found - hits[bin], wrong - misses[bin]);
        }
        return area;
    }
}
