using Distributed.Worker.Data;
using Distributed.Worker.Tasks;

namespace Distributed.Worker.Tests.Detection;

public sealed class SuppressionTests
{
    private static readonly Gen<(ScoredBox[] Boxes, float MaxIou)> _any = Gen.Select(SceneGen.Scored.Array[0, 30], Gen.Float[0, 0.9f]);

    [Fact]
    public void Kept_boxes_do_not_overlap_and_removed_ones_overlap_a_better_one() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        Assert.All(kept, box => Assert.DoesNotContain(kept, other => other != box && Overlaps(box, other, maxIou)));
        Assert.All(boxes.Except(kept), box => Assert.Contains(kept, better => better.Score >= box.Score && Overlaps(box, better, maxIou)));
        Assert.All(kept, box => Assert.Contains(box, boxes));
        Assert.Equal(kept.Select(box => box.Score).OrderDescending(), kept.Select(box => box.Score));
    });

    [Fact]
    public void A_second_pass_removes_nothing() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        Assert.Equal(kept, Suppression.NonMaximum(kept, maxIou, boxes.Length));
    });

    [Fact]
    public void A_limit_keeps_the_best_boxes() => Gen.Select(_any, Gen.Int[0, 10]).Sample((any, limit) =>
    {
        var all = Suppression.NonMaximum(any.Boxes, any.MaxIou, int.MaxValue);
        Assert.Equal(all.Take(limit), Suppression.NonMaximum(any.Boxes, any.MaxIou, limit));
    });

    [Fact]
    public void Classes_are_independent() => _any.Sample((boxes, maxIou) =>
    {
        var kept = Suppression.NonMaximum(boxes, maxIou, boxes.Length);
        for (var c = 0; c < SceneGen.Classes; c++)
        {
            var ofClass = Suppression.NonMaximum(boxes.Where(box => box.Class == c), maxIou, boxes.Length);
            Assert.Equal(kept.Where(box => box.Class == c), ofClass);
        }
    });

    private static bool Overlaps(ScoredBox a, ScoredBox b, float maxIou) => a.Class == b.Class && a.Box.Iou(b.Box) > maxIou;
}
