namespace Distributed.Core.Scores;

/// <summary>
/// How well the pixels of images are told apart: of each class, the pixels that are of it and were taken for it over those that are either
/// (the Jaccard index), meant over the classes (Everingham et al. 2010, section 4.5). Exact over any number of images, since the pixels are
/// summed first. A class that no pixel is of and none was taken for is left out.
/// </summary>
/// <remarks>The sums are, class by class, the pixels that are both, and those that are either.</remarks>
public sealed record MeanIou() : Metric("mean_iou", "mean IoU")
{
    /// <inheritdoc/>
    public override bool IsShare => true;

    /// <summary>How many sums there are.</summary>
    /// <param name="classes">Number of classes.</param>
    public static int SizeFor(int classes) => 2 * classes;

    /// <summary>Where the pixels are counted that are of a class and were taken for it.</summary>
    public static int IntersectionOf(int number) => 2 * number;

    /// <summary>Where the pixels are counted that are of a class, or were taken for it.</summary>
    public static int UnionOf(int number) => (2 * number) + 1;

    /// <inheritdoc/>
    public override int Sums => SizeFor(1);

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
