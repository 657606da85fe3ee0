using Distributed.Worker.Data;

namespace Distributed.Worker.Tasks;

/// <summary>
/// What a one-stage detector says of an image: the image is cut into square cells, and the cell that the centre of a thing lies in is
/// responsible for it (Redmon et al. 2016, "You Only Look Once", section 2). There are no anchors: a cell gives the box itself.
/// </summary>
/// <param name="Side">Rows and columns of the image.</param>
/// <remarks>
/// A cell has, channel by channel, the logit of there being a thing; four numbers whose sigmoids are the centre (x and y, as a share of
/// the cell) and the size (width and height, as a share of the image); and a logit for each class.
/// </remarks>
internal sealed record BoxGrid(int Side, int Cells, int Classes)
{
    public const int FirstBox = 1, FirstClass = 5;

    public float CellSize => (float)Side / Cells;

    public int Channels => FirstClass + Classes;

    /// <summary>Numbers of an image: channels × cells × cells.</summary>
    public int Size => Channels * Area;

    private int Area => Cells * Cells;

    /// <summary>
    /// What the cells of an image should say: 1 where there is a thing, the box's left, top, right and bottom in pixels, and 1 for its
    /// class. Where there is none the box is the cell, so that it can be computed with. Of two things with one cell, the smaller one has
    /// it (Tian et al. 2019, "FCOS", section 3.1).
    /// </summary>
    /// <param name="boxes">Their centres lie in the image.</param>
    /// <param name="cells">Of <see cref="Size"/>; overwritten.</param>
    public void Encode(IReadOnlyList<LabelledBox> boxes, Span<float> cells)
    {
        cells.Clear();
        for (var cell = 0; cell < Area; cell++)
        {
            var (x, y) = (cell % Cells * CellSize, cell / Cells * CellSize);
            WriteBox(cell, new(x, y, x + CellSize, y + CellSize), cells);
        }
        // The last one that is written stays; the order of equal areas is that of the boxes.
        foreach (var (number, box) in boxes.OrderByDescending(thing => thing.Box.Area))
        {
            var cell = (CellOf(box.Top, box.Bottom) * Cells) + CellOf(box.Left, box.Right);
            for (var c = 0; c < Classes; c++) cells[((FirstClass + c) * Area) + cell] = c == number ? 1 : 0;
            cells[cell] = 1;
            WriteBox(cell, box, cells);
        }
    }

    /// <summary>What the cells of an image say, best first: of each cell its most probable class, with that probability times that of a thing.</summary>
    /// <param name="outputs">Of <see cref="Size"/>, as a model gives them.</param>
    /// <param name="minScore">Below this score nothing is given.</param>
    public List<ScoredBox> Decode(ReadOnlySpan<float> outputs, float minScore)
    {
        List<ScoredBox> found = [];
        for (var cell = 0; cell < Area; cell++)
        {
            var thing = Sigmoid(outputs[cell]);
            // Neither is a number that is none.
            if (!(thing >= minScore)) continue;
            var (number, share) = MostProbable(outputs, cell);
            if (thing * share >= minScore) found.Add(new(number, BoxOf(outputs, cell), thing * share));
        }
        // Stable, so that equal scores keep the order of the cells.
        return [.. found.OrderByDescending(box => box.Score)];
    }

    private Box BoxOf(ReadOnlySpan<float> outputs, int cell)
    {
        var x = (cell % Cells + Sigmoid(outputs[((FirstBox + 0) * Area) + cell])) * CellSize;
        var y = (cell / Cells + Sigmoid(outputs[((FirstBox + 1) * Area) + cell])) * CellSize;
        var (width, height) = (Side * Sigmoid(outputs[((FirstBox + 2) * Area) + cell]), Side * Sigmoid(outputs[((FirstBox + 3) * Area) + cell]));
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
