namespace Distributed.Worker.Data;

/// <summary>Changes of an image in place: channels × height × width values, row after row.</summary>
internal static class ImageTransforms
{
    public static void Flip(Span<float> image, int width)
    {
        for (var row = 0; row < image.Length; row += width) image.Slice(row, width).Reverse();
    }

    /// <summary>Moves it; what comes in from outside is 0.</summary>
    /// <param name="down">Rows that it moves down by, or up where negative; less than the height.</param>
    /// <param name="right">Columns that it moves to the right by, or to the left where negative; less than the width.</param>
    public static void Shift(Span<float> image, int height, int width, int down, int right)
    {
        for (var channel = 0; channel < image.Length; channel += height * width)
        {
            var plane = image.Slice(channel, height * width);
            // No row is overwritten before it is copied.
            for (var i = 0; i < height; i++)
            {
                var y = down > 0 ? height - 1 - i : i;
                var row = plane.Slice(y * width, width);
                if ((uint)(y - down) < (uint)height) ShiftRow(plane.Slice((y - down) * width, width), row, right);
                else row.Clear();
            }
        }
    }

    /// <summary>Blackens a rectangle, of which a part may lie outside.</summary>
    public static void Blacken(Span<float> image, int height, int width, int top, int left, int side)
    {
        var (firstRow, endRow) = (Math.Max(0, top), Math.Min(height, top + side));
        var (first, end) = (Math.Max(0, left), Math.Min(width, left + side));
        if (first >= end) return;
        for (var channel = 0; channel < image.Length; channel += height * width)
            for (var y = firstRow; y < endRow; y++) image[(channel + (y * width) + first)..(channel + (y * width) + end)].Clear();
    }

    private static void ShiftRow(ReadOnlySpan<float> from, Span<float> to, int right)
    {
        var kept = from.Length - Math.Abs(right);
        if (right >= 0)
        {
            from[..kept].CopyTo(to[right..]);
            to[..right].Clear();
        }
        else
        {
            from[^kept..].CopyTo(to);
            to[kept..].Clear();
        }
    }
}
