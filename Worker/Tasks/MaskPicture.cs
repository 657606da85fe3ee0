using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>Scenes, what each of their pixels was taken for, and what it is: three images beside each other, under a row of the classes' colours.</summary>
internal static class MaskPicture
{
    public const int Scenes = 8;

    private const int Zoom = 4, Columns = 2, Images = 3, Dot = 3, Gap = 2;
    private const int Image = SceneRecipe.Side * Zoom;
    private const int Swatch = (DotDigits.Rows + 4) * Dot;

    /// <param name="scenes">At least one, each with what its pixels were taken for.</param>
    /// <param name="classes">Number of classes, the background as number 0 among them.</param>
    /// <returns>The caller disposes it.</returns>
    public static SKBitmap Draw(IReadOnlyList<(Scene Scene, byte[] Taken)> scenes, int classes) =>
        new Sheet(Columns, (Images * Image) + ((Images - 1) * Gap), Image).Draw(scenes.Count, Swatch, canvas => DrawClasses(canvas, classes - 1), (canvas, number) =>
        {
            var (scene, taken) = scenes[number];
            foreach (var colourOf in (Func<int, SKColor>[])[i => new(scene.Pixels[i], scene.Pixels[i], scene.Pixels[i]), i => ColourOf(taken[i]), i => ColourOf(scene.Mask[i])])
            {
                Sheet.DrawImage(canvas, SceneRecipe.Side, SceneRecipe.Side, Zoom, colourOf);
                canvas.Translate(Image + Gap, 0);
            }
        });

    private static SKColor ColourOf(byte label) => label == 0 ? SKColors.Black : ClassColours.Of(label - 1);

    private static void DrawClasses(SKCanvas canvas, int things)
    {
        for (var number = 0; number < things; number++)
        {
            var width = (DotDigits.WidthOf(number) + 4) * Dot;
            using var paint = new SKPaint { Color = ClassColours.Of(number) };
            canvas.DrawRect(0, 0, width, Swatch, paint);
            DotDigits.Draw(canvas, number, new(2 * Dot, 2 * Dot), Dot, SKColors.Black);
            canvas.Translate(width + Dot, 0);
        }
    }
}
