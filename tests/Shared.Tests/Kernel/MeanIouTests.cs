using Distributed.Core.Scores;

namespace Distributed.Shared.Tests.Kernel;

public sealed class MeanIouTests
{
    private static readonly MeanIou _metric = new();

    [Fact]
    public void It_is_the_mean_over_the_classes_of_what_sets_of_pixels_share() =>
        Gen.Select(Gen.Int[2, 6], Gen.Int[1, 60]).SelectMany((classes, pixels) => Gen.Select(
            Gen.Const(classes), Gen.Int[0, classes - 1].Array[pixels], Gen.Int[0, classes - 1].Array[pixels])).Sample((classes, actual, taken) =>
        {
            var sums = new double[MeanIou.SizeFor(classes)];
            List<double> expected = [];
            for (var c = 0; c < classes; c++)
            {
                var (of, @as) = (Where(actual, c), Where(taken, c));
                (sums[MeanIou.IntersectionOf(c)], sums[MeanIou.UnionOf(c)]) = (of.Intersect(@as).Count(), of.Union(@as).Count());
                if (of.Union(@as).Any()) expected.Add((double)of.Intersect(@as).Count() / of.Union(@as).Count());
            }
            Assert.Equal(expected.Average(), _metric.Of(sums, 1), 1e-12);
        });

    [Fact]
    public void Without_a_pixel_it_is_not_defined() => Assert.Equal(double.NaN, _metric.Of(new double[MeanIou.SizeFor(3)], 1));

    private static HashSet<int> Where(int[] classes, int c) => [.. Enumerable.Range(0, classes.Length).Where(pixel => classes[pixel] == c)];
}
