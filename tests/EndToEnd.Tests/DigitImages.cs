using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.EndToEnd.Tests;

/// <summary>The digits' test images as files.</summary>
internal static class DigitImages
{
    public static ImageSet Set { get; } = (ImageSet)Digits.Load().Test;

    /// <summary>All pixels, in the form of a model's input.</summary>
    public static float[] Inputs()
    {
        var images = new float[Set.Count * Set.SampleSize];
        Set.CopyTo([.. Enumerable.Range(0, Set.Count)], images, new float[Set.Count]);
        return images;
    }

    /// <summary>Writes all images as grey PNGs into a folder, ordered by name.</summary>
    public static void WriteTo(string folder)
    {
        Directory.CreateDirectory(folder);
        for (var sample = 0; sample < Set.Count; sample++)
        {
            using var bitmap = new SKBitmap(Set.Width, Set.Height, SKColorType.Gray8, SKAlphaType.Opaque);
            Write(bitmap, sample, 1, Path.Combine(folder, $"digit-{sample:000}.png"), SKEncodedImageFormat.Png);
        }
    }

    /// <summary>Writes one image in colour, each pixel as a square.</summary>
    public static void WriteLarge(int sample, int side, string path, SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(Set.Width * side, Set.Height * side, SKColorType.Rgba8888, SKAlphaType.Opaque);
        Write(bitmap, sample, side, path, format);
    }

    private static void Write(SKBitmap bitmap, int sample, int side, string path, SKEncodedImageFormat format)
    {
        for (var y = 0; y < bitmap.Height; y++)
            for (var x = 0; x < bitmap.Width; x++)
            {
                var shade = (byte)Math.Round(Set.Pixels[sample * Set.SampleSize + y / side * Set.Width + x / side] * 255.0 * Set.Scale);
                bitmap.SetPixel(x, y, new(shade, shade, shade));
            }
        using var file = File.Create(path);
        Assert.True(bitmap.Encode(file, format, 100));
    }
}
