using Distributed.Worker.Data;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>A task whose result is shown as a picture.</summary>
internal interface IPicturedTask
{
    /// <summary>Draws a model's output for the first test samples. The caller disposes the picture.</summary>
    SKBitmap Draw(nn.Module model, Device device);
}

/// <summary>Scenes with the boxes found, in the colours of their classes; the true boxes are thin and white.</summary>
internal static class BoxPicture
{
    public const int Scenes = 12;
    public const float MinScore = 0.5f;
    private const int Zoom = 6, Columns = 4, Tile = SceneRecipe.Side * Zoom, Dot = 3;

    public static SKBitmap Draw(IReadOnlyList<(Scene Scene, List<ScoredBox> Found)> scenes) =>
        new Sheet(Columns, Tile, Tile).Draw(scenes.Count, (canvas, tile) =>
        {
            var (scene, found) = scenes[tile];
            Sheet.DrawImage(canvas, SceneRecipe.Side, SceneRecipe.Side, Zoom, i => Sheet.Grey(scene.Pixels[i]));
            canvas.ClipRect(new(0, 0, Tile, Tile));
            foreach (var (_, box) in scene.Boxes) DrawBox(canvas, box, SKColors.White, 1);
            foreach (var (number, box, _) in found.Where(box => box.Score >= MinScore))
            {
                DrawBox(canvas, box, ClassColours.Of(number), 3);
                DrawLabel(canvas, box, number);
            }
        });

    private static void DrawBox(SKCanvas canvas, Box box, SKColor colour, float width)
    {
        using var paint = new SKPaint { Color = colour, Style = SKPaintStyle.Stroke, StrokeWidth = width };
        canvas.DrawRect(new SKRect(box.Left * Zoom, box.Top * Zoom, box.Right * Zoom, box.Bottom * Zoom), paint);
    }

    /// <summary>Draws the label above the box, or inside it where there is no room above.</summary>
    private static void DrawLabel(SKCanvas canvas, Box box, int number)
    {
        var (width, height) = ((DotDigits.WidthOf(number) + 2) * Dot, (DotDigits.Rows + 2) * Dot);
        var (left, top) = (Math.Clamp(box.Left * Zoom, 0, Tile - width), (box.Top * Zoom) - height);
        if (top < 0) top += height;
        using var paint = new SKPaint { Color = ClassColours.Of(number) };
        canvas.DrawRect(left, top, width, height, paint);
        DotDigits.Draw(canvas, number, new(left + Dot, top + Dot), Dot, SKColors.Black);
    }
}

/// <summary>Scenes beside their predicted and their true masks, under a legend of the classes' colours.</summary>
internal static class MaskPicture
{
    public const int Scenes = 8;
    private const int Zoom = 4, Columns = 2, Images = 3, Dot = 3, Gap = 2;
    private const int Image = SceneRecipe.Side * Zoom;
    private const int Swatch = (DotDigits.Rows + 4) * Dot;

    /// <param name="classes">Number of classes, including the background, which is class 0.</param>
    public static SKBitmap Draw(IReadOnlyList<(Scene Scene, byte[] Predicted)> scenes, int classes)
    {
        return new Sheet(Columns, (Images * Image) + ((Images - 1) * Gap), Image).Draw(scenes.Count, DrawScene, Swatch, DrawLegend);

        void DrawScene(SKCanvas canvas, int number)
        {
            var (scene, predicted) = scenes[number];
            Func<int, SKColor>[] images = [i => Sheet.Grey(scene.Pixels[i]), i => ColourOf(predicted[i]), i => ColourOf(scene.Mask[i])];
            foreach (var colourOf in images)
            {
                Sheet.DrawImage(canvas, SceneRecipe.Side, SceneRecipe.Side, Zoom, colourOf);
                canvas.Translate(Image + Gap, 0);
            }
        }

        void DrawLegend(SKCanvas canvas)
        {
            for (var number = 0; number < classes - 1; number++)
            {
                var width = (DotDigits.WidthOf(number) + 4) * Dot;
                using var paint = new SKPaint { Color = ClassColours.Of(number) };
                canvas.DrawRect(0, 0, width, Swatch, paint);
                DotDigits.Draw(canvas, number, new(2 * Dot, 2 * Dot), Dot, SKColors.Black);
                canvas.Translate(width + Dot, 0);
            }
        }
    }

    private static SKColor ColourOf(byte label) => label == 0 ? SKColors.Black : ClassColours.Of(label - 1);
}

/// <summary>Generated images, one column for each class.</summary>
internal static class GeneratedPicture
{
    /// <summary>The smallest side of an image in the picture, in pixels.</summary>
    private const int MinSide = 56;

    /// <param name="pixels">Image after image, channels × height × width each: one grey channel, or red, green and blue.</param>
    public static SKBitmap Draw(ReadOnlySpan<byte> pixels, ImageFormat format, int columns)
    {
        var zoom = Math.Max(1, (MinSide + format.Width - 1) / format.Width);
        var plane = format.Height * format.Width;
        var images = pixels.ToArray();
        return new Sheet(columns, format.Width * zoom, format.Height * zoom).Draw(images.Length / format.SampleSize, (canvas, number) =>
            Sheet.DrawImage(canvas, format.Width, format.Height, zoom, i =>
            {
                var first = (number * format.SampleSize) + i;
                if (format.Channels != 3) return Sheet.Grey(images[first]);
                return new(images[first], images[first + plane], images[first + (2 * plane)]);
            }));
    }
}
