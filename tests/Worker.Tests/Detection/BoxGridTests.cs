using Distributed.Worker.Data;
using Distributed.Worker.Tasks;

namespace Distributed.Worker.Tests.Detection;

public sealed class BoxGridTests
{
    private static readonly BoxGrid _grid = new(SceneGen.Side, 8, SceneGen.Classes);

    [Fact]
    public void Perfect_outputs_decode_to_the_true_boxes() => SceneGen.Labelled.Array[1, 4].Where(HaveOwnCells).Sample(boxes =>
    {
        var found = _grid.Decode(PerfectOutputs(boxes), 0.5f);
        Assert.Equal(boxes.Length, found.Count);
        foreach (var (label, box, score) in found)
        {
            Assert.InRange(score, 0.99f, 1);
            Assert.Contains(boxes, truth => truth.Class == label && truth.Box.Iou(box) > 0.99);
        }
    });

    [Fact]
    public void Empty_cells_have_no_object_and_a_box_that_is_not_empty() => SceneGen.Labelled.Array[0, 4].Sample(boxes =>
    {
        var cells = Encoded(boxes);
        Assert.Equal(boxes.Select(CellOf).Distinct().Count(), cells[..64].Sum());
        for (var cell = 0; cell < 64; cell++)
        {
            Assert.Equal(cells[cell], Enumerable.Range(BoxGrid.FirstClass, SceneGen.Classes).Sum(channel => cells[(channel * 64) + cell]));
            Assert.True(BoxAt(cells, cell).Area > 0);
        }
    });

    [Fact]
    public void The_smaller_of_two_objects_gets_a_shared_cell()
    {
        LabelledBox large = new(0, new(0, 0, 6, 6)), small = new(1, new(2, 2, 4, 4));
        foreach (var boxes in (LabelledBox[][])[[large, small], [small, large]]) Assert.Equal(small.Box, BoxAt(Encoded(boxes), 0));
    }

    [Fact]
    public void Boxes_come_best_first_and_those_below_the_score_are_left_out() => Gen.Select(
        Gen.Float[-4, 4].Array[_grid.Size], Gen.Float[0, 1]).Sample((outputs, minScore) =>
    {
        var (all, some) = (_grid.Decode(outputs, 0), _grid.Decode(outputs, minScore));
        Assert.Equal(64, all.Count);
        Assert.Equal(all.Select(box => box.Score).OrderDescending(), all.Select(box => box.Score));
        Assert.Equal(all.Where(box => box.Score >= minScore), some);
        Assert.All(all, box => Assert.InRange(box.Score, 0, 1));
    }, iter: 100);

    [Fact]
    public void NaN_is_no_object() => Assert.Empty(_grid.Decode([.. Enumerable.Repeat(float.NaN, _grid.Size)], 0.01f));

    private static bool HaveOwnCells(LabelledBox[] boxes) => boxes.Select(CellOf).Distinct().Count() == boxes.Length;

    private static (int, int) CellOf(LabelledBox box) =>
        ((int)((box.Box.Left + box.Box.Right) / 8), (int)((box.Box.Top + box.Box.Bottom) / 8));

    private static float[] Encoded(IReadOnlyList<LabelledBox> boxes)
    {
        var cells = new float[_grid.Size];
        _grid.Encode(boxes, cells);
        return cells;
    }

    private static Box BoxAt(float[] cells, int cell) => new(cells[64 + cell], cells[128 + cell], cells[192 + cell], cells[256 + cell]);

    /// <summary>The outputs that decode to these boxes.</summary>
    private static float[] PerfectOutputs(IReadOnlyList<LabelledBox> boxes)
    {
        const float Sure = 20;
        var outputs = Encoded(boxes);
        for (var cell = 0; cell < 64; cell++)
        {
            var box = BoxAt(outputs, cell);
            outputs[64 + cell] = Logit(((box.Left + box.Right) / 8) - (cell % 8));
            outputs[128 + cell] = Logit(((box.Top + box.Bottom) / 8) - (cell / 8));
            outputs[192 + cell] = Logit(box.Width / SceneGen.Side);
            outputs[256 + cell] = Logit(box.Height / SceneGen.Side);
            outputs[cell] = outputs[cell] == 1 ? Sure : -Sure;
            for (var channel = BoxGrid.FirstClass; channel < _grid.Channels; channel++) outputs[(channel * 64) + cell] *= Sure;
        }
        return outputs;
    }

    private static float Logit(float share) => MathF.Log(share / (1 - share));
}
