using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>Scenes with what was found in them: a box and the number of its class; what is there has a thin white box.</summary>
internal static class BoxPicture
{
    public const int Scenes = 12;

    /// <summary>What is less sure is not shown.</summary>
    public const float MinScore = 0.5f;

    private const int Zoom = 6, Columns = 4, Tile = SceneRecipe.Side * Zoom, Dot = 3;

    /// <param name="scenes">At least one, each with what was found in it.</param>
    /// <returns>The caller disposes it.</returns>
    public static SKBitmap Draw(IReadOnlyList<(Scene Scene, List<ScoredBox> Found)> scenes) =>
        new Sheet(Columns, Tile, Tile).Draw(scenes.Count, 0, static _ => { }, (canvas, tile) =>
        {
            var (scene, found) = scenes[tile];
            Sheet.DrawImage(canvas, SceneRecipe.Side, SceneRecipe.Side, Zoom, i => new(scene.Pixels[i], scene.Pixels[i], scene.Pixels[i]));
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

    /// <summary>Above the box; where there is no room, in it.</summary>
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
