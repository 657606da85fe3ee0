using Distributed.Core.Scores;

namespace Distributed.Shared.Tests.Kernel;

public sealed class MeanIouTests
{
    private static readonly MeanIou _metric = new();

    private static readonly Gen<(int Classes, int[] Actual, int[] Predicted)> _images =
        from classes in Gen.Int[2, 6]
        from pixels in Gen.Int[1, 60]
        from actual in Gen.Int[0, classes - 1].Array[pixels]
        from predicted in Gen.Int[0, classes - 1].Array[pixels]
        select (classes, actual, predicted);

    [Fact]
    public void It_is_the_mean_intersection_over_union_of_the_classes() =>
        _images.Sample((classes, actual, predicted) =>
        {
            var sums = new double[MeanIou.SizeFor(classes)];
            List<double> expected = [];
            for (var c = 0; c < classes; c++)
            {
                var (of, @as) = (Where(actual, c), Where(predicted, c));
                (sums[MeanIou.IntersectionOf(c)], sums[MeanIou.UnionOf(c)]) = (of.Intersect(@as).Count(), of.Union(@as).Count());
                if (of.Union(@as).Any()) expected.Add((double)of.Intersect(@as).Count() / of.Union(@as).Count());
            }
            Assert.Equal(expected.Average(), _metric.Of(sums, 1), 1e-12);
        });

    [Fact]
    public void It_is_undefined_without_pixels() => Assert.Equal(double.NaN, _metric.Of(new double[MeanIou.SizeFor(3)], 1));

    private static HashSet<int> Where(int[] classes, int c) => [.. Enumerable.Range(0, classes.Length).Where(pixel => classes[pixel] == c)];
}
