using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>Numbers of 3×5 dots a digit: they need no font, of which a container may have none.</summary>
internal static class DotDigits
{
    public const int Columns = 3, Rows = 5;

    private static readonly int[] _dots =
    [
        0b111_101_101_101_111, 0b010_110_010_010_111, 0b111_001_111_100_111, 0b111_001_111_001_111, 0b101_101_111_001_001,
        0b111_100_111_001_111, 0b111_100_111_101_111, 0b111_001_001_001_001, 0b111_101_111_101_111, 0b111_101_111_001_111,
    ];

    /// <param name="number">0 or more.</param>
    public static int WidthOf(int number) => ((Columns + 1) * $"{number}".Length) - 1;

    /// <param name="number">0 or more.</param>
    public static void Draw(SKCanvas canvas, int number, SKPoint at, float dot, SKColor colour)
    {
        using var paint = new SKPaint { Color = colour };
        foreach (var digit in $"{number}")
        {
            for (var i = 0; i < Columns * Rows; i++)
                if ((_dots[digit - '0'] >> ((Columns * Rows) - 1 - i) & 1) == 1) canvas.DrawRect(at.X + (i % Columns * dot), at.Y + (i / Columns * dot), dot, dot, paint);
            at.X += (Columns + 1) * dot;
        }
    }
}
