using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>A picture of equal tiles, row by row, with white between them.</summary>
internal sealed record Sheet(int Columns, int Width, int Height)
{
    private const int Gap = 10;

    /// <summary>Draws header and tiles; a drawing function starts at (0, 0) of its part. The caller disposes the result.</summary>
    /// <param name="header">Pixels above the tiles.</param>
    public SKBitmap Draw(int count, Action<SKCanvas, int> drawTile, int header = 0, Action<SKCanvas>? drawHeader = null)
    {
        var top = header > 0 ? header + Gap : 0;
        var rows = (count + Columns - 1) / Columns;
        var (width, height) = ((Columns * (Width + Gap)) + Gap, top + (rows * (Height + Gap)) + Gap);
        var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        if (drawHeader is not null) DrawAt(Gap, Gap, () => drawHeader(canvas));
        for (var i = 0; i < count; i++)
            DrawAt(Gap + (i % Columns * (Width + Gap)), top + Gap + (i / Columns * (Height + Gap)), () => drawTile(canvas, i));
        return bitmap;

        void DrawAt(int x, int y, Action draw)
        {
            canvas.Save();
            canvas.Translate(x, y);
            draw();
            canvas.Restore();
        }
    }

    /// <param name="colourOf">The colour of a pixel, by its number row by row.</param>
    public static void DrawImage(SKCanvas canvas, int width, int height, int zoom, Func<int, SKColor> colourOf)
    {
        using var paint = new SKPaint();
        for (var i = 0; i < width * height; i++)
        {
            paint.Color = colourOf(i);
            canvas.DrawRect(i % width * zoom, i / width * zoom, zoom, zoom, paint);
        }
    }

    public static SKColor Grey(byte value) => new(value, value, value);
}

/// <summary>Ten colours that are easy to tell apart (Tableau 10), repeated for more classes.</summary>
internal static class ClassColours
{
    private static readonly SKColor[] _colours =
    [
        new(0xff4e79a7), new(0xfff28e2b), new(0xffe15759), new(0xff76b7b2), new(0xff59a14f),
        new(0xffedc948), new(0xffb07aa1), new(0xffff9da7), new(0xff9c755f), new(0xffbab0ac),
    ];

    public static SKColor Of(int number) => _colours[number % _colours.Length];
}

/// <summary>Numbers, 0 or more, in digits of 3×5 dots: a container may have no fonts.</summary>
internal static class DotDigits
{
    public const int Columns = 3, Rows = 5;

    private static readonly int[] _dots =
    [
        0b111_101_101_101_111, 0b010_110_010_010_111, 0b111_001_111_100_111, 0b111_001_111_001_111, 0b101_101_111_001_001,
        0b111_100_111_001_111, 0b111_100_111_101_111, 0b111_001_001_001_001, 0b111_101_111_101_111, 0b111_101_111_001_111,
    ];

    public static int WidthOf(int number) => ((Columns + 1) * $"{number}".Length) - 1;

    public static void Draw(SKCanvas canvas, int number, SKPoint at, float dot, SKColor colour)
    {
        using var paint = new SKPaint { Color = colour };
        foreach (var digit in $"{number}")
        {
            for (var i = 0; i < Columns * Rows; i++)
            {
                var isSet = (_dots[digit - '0'] >> ((Columns * Rows) - 1 - i) & 1) == 1;
                if (isSet) canvas.DrawRect(at.X + (i % Columns * dot), at.Y + (i / Columns * dot), dot, dot, paint);
            }
            at.X += (Columns + 1) * dot;
        }
    }
}
