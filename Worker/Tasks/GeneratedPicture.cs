using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.Worker.Tasks;

/// <summary>Generated images, a column a class.</summary>
internal static class GeneratedPicture
{
    /// <summary>Sides of an image in the picture, at least.</summary>
    private const int MinSide = 56;

    /// <param name="pixels">Image after image, channels × height × width each: one grey channel, or red, green and blue.</param>
    /// <returns>The caller disposes it.</returns>
    public static SKBitmap Draw(ReadOnlySpan<byte> pixels, ImageFormat format, int columns)
    {
        var zoom = Math.Max(1, (MinSide + format.Width - 1) / format.Width);
        var plane = format.Height * format.Width;
        var images = pixels.ToArray();
        return new Sheet(columns, format.Width * zoom, format.Height * zoom).Draw(images.Length / format.SampleSize, 0, static _ => { }, (canvas, number) =>
            Sheet.DrawImage(canvas, format.Width, format.Height, zoom, i =>
            {
                var first = (number * format.SampleSize) + i;
                return format.Channels == 3 ? new(images[first], images[first + plane], images[first + (2 * plane)]) : new(images[first], images[first], images[first]);
            }));
    }
}
