namespace Distributed.Core.Scores;

/// <summary>
/// Mean intersection over union (Jaccard index) of predicted and actual pixels, averaged over the classes (Everingham et al. 2010, section
/// 4.5). Exact for any number of images, since pixels are summed before they are divided. Classes without a predicted or actual pixel are
/// skipped. The sums of a class: the size of the intersection, then of the union.
/// </summary>
public sealed record MeanIou() : Metric("mean_iou", "mean IoU")
{
    /// <inheritdoc/>
    public override bool IsShare => true;

    /// <inheritdoc/>
    public override int Sums => SizeFor(1);

    /// <summary>Number of sums.</summary>
    /// <param name="classes">Number of classes.</param>
    public static int SizeFor(int classes) => 2 * classes;

    /// <summary>Index of the number of pixels that have a class and are predicted to have it.</summary>
    /// <param name="number">0-based class.</param>
    public static int IntersectionOf(int number) => 2 * number;

    /// <summary>Index of the number of pixels that have a class or are predicted to have it.</summary>
    /// <param name="number">0-based class.</param>
    public static int UnionOf(int number) => (2 * number) + 1;

    /// <inheritdoc/>
    public override double Of(ReadOnlySpan<double> sums, long samples)
    {
        var (sum, classes) = (0.0, 0);
        for (var c = 0; SizeFor(c + 1) <= sums.Length; c++)
        {
            if (sums[UnionOf(c)] == 0) continue;
            sum += sums[IntersectionOf(c)] / sums[UnionOf(c)];
            classes++;
        }
        return classes == 0 ? double.NaN : sum / classes;
    }
}
