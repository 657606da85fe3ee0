using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Detection;

public sealed class BoxTests
{
    private static readonly Gen<Box> _whole = Gen.Select(Gen.Int[0, 6], Gen.Int[0, 6], Gen.Int[1, 6], Gen.Int[1, 6])
        .Select((left, top, width, height) => new Box(left, top, left + width, top + height));

    [Fact]
    public void Iou_equals_that_of_sets_of_pixels() =>
        Gen.Select(_whole, _whole).Sample((a, b) =>
        {
            var (inA, inB) = (PixelsOf(a), PixelsOf(b));
            Assert.Equal((double)inA.Intersect(inB).Count() / inA.Union(inB).Count(), a.Iou(b), 1e-6);
        });

    [Fact]
    public void Iou_is_symmetric_and_1_with_itself() => Gen.Select(SceneGen.Box, SceneGen.Box).Sample((a, b) =>
    {
        Assert.Equal(a.Iou(b), b.Iou(a));
        Assert.InRange(a.Iou(b), 0, 1);
        Assert.Equal(1, a.Iou(a), 1e-5);
    });

    [Fact]
    public void An_empty_box_overlaps_nothing() => Assert.Equal(0, new Box(3, 3, 3, 3).Iou(new(3, 3, 2, 2)));

    [Fact]
    public void Targets_are_read_as_they_were_written() => SceneGen.Labelled.Array[0, 4].Sample(boxes =>
    {
        var rows = new float[4 * BoxTargets.RowSize];
        BoxTargets.Write(boxes, rows);
        Assert.Equal(boxes, BoxTargets.Read(rows));
    });

    private static HashSet<(int, int)> PixelsOf(Box box) =>
    [
        .. from y in Enumerable.Range((int)box.Top, (int)box.Height)
           from x in Enumerable.Range((int)box.Left, (int)box.Width)
           select (x, y),
    ];
}
