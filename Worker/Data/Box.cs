namespace Distributed.Worker.Data;

/// <summary>A rectangle in an image, in pixels from the upper left corner; right and bottom are exclusive.</summary>
internal readonly record struct Box(float Left, float Top, float Right, float Bottom)
{
    public float Width => Math.Max(0, Right - Left);
    public float Height => Math.Max(0, Bottom - Top);
    public float Area => Width * Height;

    /// <summary>Intersection over union, 0 to 1; 0 if both boxes are empty.</summary>
    public float Iou(Box other)
    {
        var (left, top) = (Math.Max(Left, other.Left), Math.Max(Top, other.Top));
        var shared = new Box(left, top, Math.Min(Right, other.Right), Math.Min(Bottom, other.Bottom)).Area;
        var union = Area + other.Area - shared;
        return union > 0 ? shared / union : 0;
    }
}

/// <summary>An object in an image: the number of its class, from 0, and the box around its visible pixels.</summary>
internal readonly record struct LabelledBox(int Class, Box Box);

/// <summary>An object that a model detects, with its confidence, 0 to 1.</summary>
internal readonly record struct ScoredBox(int Class, Box Box, float Score);

/// <summary>An image's boxes as a target of fixed size: rows of class, left, top, right and bottom. Unused rows have class -1.</summary>
internal static class BoxTargets
{
    public const int RowSize = 5;
    private const float None = -1;

    public static void Write(IReadOnlyList<LabelledBox> boxes, Span<float> rows)
    {
        rows.Fill(None);
        foreach (var (i, (number, box)) in boxes.Index())
        {
            ReadOnlySpan<float> row = [number, box.Left, box.Top, box.Right, box.Bottom];
            row.CopyTo(rows[(i * RowSize)..]);
        }
    }

    public static List<LabelledBox> Read(ReadOnlySpan<float> rows)
    {
        List<LabelledBox> boxes = [];
        for (; rows.Length >= RowSize && rows[0] >= 0; rows = rows[RowSize..])
            boxes.Add(new((int)rows[0], new(rows[1], rows[2], rows[3], rows[4])));
        return boxes;
    }
}
