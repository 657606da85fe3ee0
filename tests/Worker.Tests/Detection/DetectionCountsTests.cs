using Distributed.Core.Scores;
using Distributed.Worker.Data;
using Distributed.Worker.Tasks;

namespace Distributed.Worker.Tests.Detection;

public sealed class DetectionCountsTests
{
    private static readonly Gen<(LabelledBox[] Truths, ScoredBox[] Found)> _any =
        Gen.Select(SceneGen.Labelled.Array[0, 5], SceneGen.Scored.Array[0, 12]);

    [Fact]
    public void Each_box_is_a_hit_or_a_miss_and_each_object_is_found_at_most_once() => _any.Sample((truths, found) =>
    {
        var counts = Count(found, truths);
        for (var c = 0; c < SceneGen.Classes; c++)
        {
            var (hits, misses) = (Sum(counts, AveragePrecision.HitsOf(c, 0)), Sum(counts, AveragePrecision.MissesOf(c, 0)));
            Assert.Equal(truths.Count(truth => truth.Class == c), counts[AveragePrecision.TruthsOf(c)]);
            Assert.Equal(found.Count(box => box.Class == c), hits + misses);
            Assert.InRange(hits, 0, counts[AveragePrecision.TruthsOf(c)]);
        }
    });

    [Fact]
    public void The_counts_of_images_add_up() => Gen.Select(_any, _any).Sample((one, other) =>
    {
        var both = Count(one.Found, one.Truths);
        DetectionCounts.Add(other.Found, other.Truths, both);
        Assert.Equal(Count(one.Found, one.Truths).Zip(Count(other.Found, other.Truths), (a, b) => a + b), both);
    });

    [Fact]
    public void Perfect_boxes_have_an_average_precision_of_1() => SceneGen.Labelled.Array[1, 5].Where(AreApart).Sample(truths =>
    {
        var counts = Count([.. truths.Select(truth => new ScoredBox(truth.Class, truth.Box, 0.9f))], truths);
        Assert.Equal(1, new AveragePrecision().Of(counts, 1));
    });

    [Fact]
    public void Of_two_boxes_on_an_object_the_better_is_a_hit_and_the_other_a_miss()
    {
        LabelledBox truth = new(1, new(4, 4, 12, 12));
        var counts = Count([new(1, truth.Box, 0.3f), new(1, new(4, 4, 12, 11), 0.8f), new(0, truth.Box, 0.9f)], [truth]);
        Assert.Equal(1, counts[AveragePrecision.HitsOf(1, 0.8f)]);
        Assert.Equal(1, counts[AveragePrecision.MissesOf(1, 0.3f)]);
        Assert.Equal(1, counts[AveragePrecision.MissesOf(0, 0.9f)]);
        Assert.Equal(4, counts.Sum());
    }

    private static bool AreApart(LabelledBox[] boxes) =>
        boxes.All(box => boxes.Count(other => other.Box.Iou(box.Box) >= DetectionCounts.MinIou) == 1);

    private static double[] Count(ScoredBox[] found, LabelledBox[] truths)
    {
        var counts = new double[AveragePrecision.SizeFor(SceneGen.Classes)];
        DetectionCounts.Add(found, truths, counts);
        return counts;
    }

    private static double Sum(double[] counts, int first) => counts.AsSpan(first, AveragePrecision.Bins).ToArray().Sum();
}
