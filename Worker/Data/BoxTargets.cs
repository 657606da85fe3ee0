namespace Distributed.Worker.Data;

/// <summary>
/// The boxes of an image as a target of one size: a row each of class, left, top, right and bottom. Rows that are left over have class -1.
/// </summary>
internal static class BoxTargets
{
    public const int RowSize = 5;

    private const float None = -1;

    /// <param name="boxes">No more than there are rows.</param>
    /// <param name="rows">Rows of <see cref="RowSize"/>.</param>
    public static void Write(IReadOnlyList<LabelledBox> boxes, Span<float> rows)
    {
        rows.Fill(None);
        for (var i = 0; i < boxes.Count; i++)
        {
            var (number, box) = boxes[i];
            ReadOnlySpan<float> row = [number, box.Left, box.Top, box.Right, box.Bottom];
            row.CopyTo(rows[(i * RowSize)..]);
        }
    }

    public static List<LabelledBox> Read(ReadOnlySpan<float> rows)
    {
        List<LabelledBox> boxes = [];
        for (; rows.Length >= RowSize && rows[0] >= 0; rows = rows[RowSize..]) boxes.Add(new((int)rows[0], new(rows[1], rows[2], rows[3], rows[4])));
        return boxes;
    }
}
