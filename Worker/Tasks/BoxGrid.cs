using Distributed.Worker.Data;

namespace Distributed.Worker.Tasks;

/// <summary>
/// The output of a one-stage detector. The image is cut into square cells; the cell that contains the centre of an object predicts its
/// box, without anchors (Redmon et al. 2016, "You Only Look Once", section 2). A cell has one number per channel: the logit of an object;
/// four numbers whose sigmoids are the centre (x and y, as a share of the cell) and the size (width and height, as a share of the image);
/// and a logit for each class.
/// </summary>
internal sealed record BoxGrid(int Side, int Cells, int Classes)
{
    public const int FirstBox = 1, FirstClass = 5;

    public float CellSize => (float)Side / Cells;
    public int Channels => FirstClass + Classes;

    /// <summary>Numbers of an image: channels × cells × cells.</summary>
    public int Size => Channels * Area;

    private int Area => Cells * Cells;

    /// <summary>
    /// Writes the targets of an image's cells: 1 for an object, the left, top, right and bottom of its box in pixels, and 1 for its class.
    /// An empty cell gets its own square as the box, so that the box loss is finite. If two objects share a cell, the smaller one gets it
    /// (Tian et al. 2019, "FCOS", section 3.1).
    /// </summary>
    /// <param name="boxes">Their centres lie in the image.</param>
    /// <param name="cells"><see cref="Size"/> numbers; overwritten.</param>
    public void Encode(IReadOnlyList<LabelledBox> boxes, Span<float> cells)
    {
        cells.Clear();
        for (var cell = 0; cell < Area; cell++)
        {
            var (x, y) = (cell % Cells * CellSize, cell / Cells * CellSize);
            WriteBox(cell, new(x, y, x + CellSize, y + CellSize), cells);
        }
        // The last write wins; boxes of equal area keep their order.
        foreach (var (number, box) in boxes.OrderByDescending(labelled => labelled.Box.Area))
        {
            var cell = (CellOf(box.Top, box.Bottom) * Cells) + CellOf(box.Left, box.Right);
            for (var c = 0; c < Classes; c++) cells[((FirstClass + c) * Area) + cell] = c == number ? 1 : 0;
            cells[cell] = 1;
            WriteBox(cell, box, cells);
        }
    }

    /// <summary>
    /// Reads the boxes from a model's output, best first. The score of a cell is the probability of an object times that of its most
    /// probable class.
    /// </summary>
    public List<ScoredBox> Decode(ReadOnlySpan<float> outputs, float minScore)
    {
        List<ScoredBox> found = [];
        for (var cell = 0; cell < Area; cell++)
        {
            var objectness = Sigmoid(outputs[cell]);
            // Also false for NaN.
            if (!(objectness >= minScore)) continue;
            var (number, share) = MostProbable(outputs, cell);
            if (objectness * share >= minScore) found.Add(new(number, BoxOf(outputs, cell), objectness * share));
        }
        // A stable sort, so that equal scores keep the order of the cells.
        return [.. found.OrderByDescending(box => box.Score)];
    }

    private Box BoxOf(ReadOnlySpan<float> outputs, int cell)
    {
        var x = (cell % Cells + Sigmoid(outputs[((FirstBox + 0) * Area) + cell])) * CellSize;
        var y = (cell / Cells + Sigmoid(outputs[((FirstBox + 1) * Area) + cell])) * CellSize;
        var width = Side * Sigmoid(outputs[((FirstBox + 2) * Area) + cell]);
        var height = Side * Sigmoid(outputs[((FirstBox + 3) * Area) + cell]);
        return new(x - (width / 2), y - (height / 2), x + (width / 2), y + (height / 2));
    }

    private (int Class, float Share) MostProbable(ReadOnlySpan<float> outputs, int cell)
    {
        var best = 0;
        for (var c = 1; c < Classes; c++)
            if (outputs[((FirstClass + c) * Area) + cell] > outputs[((FirstClass + best) * Area) + cell]) best = c;
        var largest = outputs[((FirstClass + best) * Area) + cell];
        var sum = 0f;
        for (var c = 0; c < Classes; c++) sum += MathF.Exp(outputs[((FirstClass + c) * Area) + cell] - largest);
        return (best, 1 / sum);
    }

    private void WriteBox(int cell, Box box, Span<float> cells)
    {
        cells[((FirstBox + 0) * Area) + cell] = box.Left;
        cells[((FirstBox + 1) * Area) + cell] = box.Top;
        cells[((FirstBox + 2) * Area) + cell] = box.Right;
        cells[((FirstBox + 3) * Area) + cell] = box.Bottom;
    }

    private int CellOf(float from, float to) => Math.Min(Cells - 1, (int)((from + to) / 2 / CellSize));
    private static float Sigmoid(float x) => 1 / (1 + MathF.Exp(-x));
}
