using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>A picture of equal tiles, row by row, with white between them.</summary>
internal sealed record Sheet(int Columns, int Width, int Height)
{
    private const int Gap = 10;

    /// <param name="count">Tiles, at least 1.</param>
    /// <param name="header">Pixels to be left free above the tiles.</param>
    /// <param name="drawHeader">Draws into them; moved to their upper left corner.</param>
    /// <param name="drawTile">Draws a tile; moved to its upper left corner.</param>
    public SKBitmap Draw(int count, int header, Action<SKCanvas> drawHeader, Action<SKCanvas, int> drawTile)
    {
        var top = header > 0 ? header + Gap : 0;
        var rows = (count + Columns - 1) / Columns;
        var bitmap = new SKBitmap((Columns * (Width + Gap)) + Gap, top + (rows * (Height + Gap)) + Gap, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);
        Moved(Gap, Gap, () => drawHeader(canvas));
        for (var i = 0; i < count; i++) Moved(Gap + (i % Columns * (Width + Gap)), top + Gap + (i / Columns * (Height + Gap)), () => drawTile(canvas, i));
        return bitmap;

        void Moved(int x, int y, Action draw)
        {
            canvas.Save();
            canvas.Translate(x, y);
            draw();
            canvas.Restore();
        }
    }

    /// <summary>Draws an image, pixel by pixel.</summary>
    /// <param name="canvas">From its upper left corner on.</param>
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
}
