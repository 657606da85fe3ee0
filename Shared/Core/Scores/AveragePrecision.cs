namespace Distributed.Core.Scores;

/// <summary>
/// How well things are found in images: of each class the area under the curve of precision over recall, meant over the classes (mean
/// average precision; Everingham et al. 2010, section 4.2, with all points of the curve as in VOC 2010 and later). A class that there is
/// nothing of is left out.
/// </summary>
/// <remarks>
/// The curve needs all boxes of the test set in the order of their scores, and what workers compute can only be summed. So hits and misses
/// are counted in bins of scores, and the boxes of one bin are taken as equally good. That leaves points of the curve out, and so makes the
/// area a hair smaller, never larger: not at all where a bin has hits or misses alone.
/// The sums are, class by class, the things that there are, then the hits of each bin, then the misses.
/// </remarks>
public sealed record AveragePrecision() : Metric("average_precision_50", "mAP at IoU 0.5")
{
    /// <summary>Bins of scores, all of one width from 0 to 1.</summary>
    public const int Bins = 100;

    private const int Stride = 1 + (2 * Bins);

    /// <inheritdoc/>
    public override bool IsShare => true;

    /// <summary>How many sums there are.</summary>
    /// <param name="classes">Number of classes.</param>
    public static int SizeFor(int classes) => classes * Stride;

    /// <summary>Where the things of a class are counted.</summary>
    public static int TruthsOf(int number) => number * Stride;

    /// <summary>Where the boxes of a class and a score are counted that have found something.</summary>
    /// <param name="number">The class.</param>
    /// <param name="score">0 to 1.</param>
    public static int HitsOf(int number, float score) => TruthsOf(number) + 1 + Math.Min(Bins - 1, (int)(score * Bins));

    /// <summary>Where those are counted that have not.</summary>
    /// <param name="number">The class.</param>
    /// <param name="score">0 to 1.</param>
    public static int MissesOf(int number, float score) => HitsOf(number, score) + Bins;

    /// <inheritdoc/>
    public override int Sums => Stride;

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

    /// <summary>From the least score on, so that the best precision at this recall or more is known.</summary>
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
