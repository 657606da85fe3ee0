using Distributed.Worker.Data;
using Distributed.Worker.Tasks;

namespace Distributed.Worker.Tests.Detection;

public sealed class SuppressionTests
{
    private static readonly Gen<(ScoredBox[] Boxes, float MaxIou)> _any = Gen.Select(SceneGen.Scored.Array[0, 30], Gen.Float[0, 0.9f]);

    [Fact]
    public void What_is_kept_does_not_overlap_and_what_is_not_overlaps_a_better_one() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        Assert.All(kept, box => Assert.DoesNotContain(kept, other => other != box && Overlaps(box, other, maxIou)));
        Assert.All(boxes.Except(kept), box => Assert.Contains(kept, better => better.Score >= box.Score && Overlaps(box, better, maxIou)));
        Assert.All(kept, box => Assert.Contains(box, boxes));
        Assert.Equal(kept.Select(box => box.Score).OrderDescending(), kept.Select(box => box.Score));
    });

    [Fact]
    public void Once_more_it_takes_nothing_away() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        Assert.Equal(kept, Suppression.NonMaximum(kept, maxIou, boxes.Length));
    });

    [Fact]
    public void The_best_are_kept_where_only_some_may_be() => Gen.Select(_any, Gen.Int[0, 10]).Sample((any, most) =>
        Assert.Equal(Suppression.NonMaximum(any.Boxes, any.MaxIou, int.MaxValue).Take(most), Suppression.NonMaximum(any.Boxes, any.MaxIou, most)));

    [Fact]
    public void Classes_do_not_disturb_each_other() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        for (var c = 0; c < SceneGen.Classes; c++)
            Assert.Equal(kept.Where(box => box.Class == c), Suppression.NonMaximum(boxes.Where(box => box.Class == c), maxIou, boxes.Length));
    });

    private static bool Overlaps(ScoredBox a, ScoredBox b, float maxIou) => a.Class == b.Class && a.Box.Iou(b.Box) > maxIou;
}
