namespace Distributed.Worker.Data;

// Fits an image to the channels, the size and the shades of a data set. Grey is the luma of ITU-R BT.601; transparent pixels are blended
// with black; a triangle filter that widens as the image shrinks (Pillow: bilinear, PyTorch: antialiased) changes the size regardless of
// the aspect ratio; shades are rounded to those of the data set. An image of the data set itself does not change.
internal static class ImageFit
{
    /// <summary>Bytes of a decoded pixel: red, green, blue, alpha (not premultiplied).</summary>
    public const int PixelSize = 4;
    private const int LumaRed = 19595, LumaGreen = 38470, LumaBlue = 7471, LumaShift = 16;

    /// <param name="pixels">Decoded pixels, row by row; overwritten.</param>
    /// <param name="origin">The orientation of Exif, 1 to 8.</param>
    public static byte[] To(ImageFormat format, byte[] pixels, int width, int height, int origin)
    {
        var channels = format.Channels is 1 or 3 ? format.Channels : throw new NotSupportedException($"{format.Channels} channels");
        ToChannels(pixels, width * height, channels);
        var (isTransposed, fromRight, fromBottom) = (origin >= 5, origin is 2 or 3 or 6 or 7, origin is 3 or 4 or 7 or 8);
        var (rows, columns) = isTransposed ? (format.Width, format.Height) : (format.Height, format.Width);
        var resized = Resize(pixels, channels, (height, width), (rows, columns));

        var fitted = new byte[format.SampleSize];
        for (var channel = 0; channel < channels; channel++)
            for (var y = 0; y < format.Height; y++)
                for (var x = 0; x < format.Width; x++)
                {
                    var (row, column) = (fromBottom ? format.Height - 1 - y : y, fromRight ? format.Width - 1 - x : x);
                    if (isTransposed) (row, column) = (column, row);
                    var share = resized[(row * columns + column) * channels + channel] / byte.MaxValue;
                    var shade = Math.Clamp(MathF.Round(share * format.Brightest), 0, format.Brightest);
                    fitted[(channel * format.Height + y) * format.Width + x] = (byte)shade;
                }
        return fitted;
    }

    // In place, since the result is never longer.
    private static void ToChannels(byte[] pixels, int count, int channels)
    {
        const int Half = 1 << (LumaShift - 1);
        for (var i = 0; i < count; i++)
        {
            var pixel = pixels.AsSpan(i * PixelSize, PixelSize);
            var (red, green, blue) = (Opaque(pixel[0], pixel[3]), Opaque(pixel[1], pixel[3]), Opaque(pixel[2], pixel[3]));
            if (channels == 1) pixels[i] = (byte)((LumaRed * red + LumaGreen * green + LumaBlue * blue + Half) >> LumaShift);
            else (pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]) = ((byte)red, (byte)green, (byte)blue);
        }

        static int Opaque(byte colour, byte alpha) => (colour * alpha + byte.MaxValue / 2) / byte.MaxValue;
    }

    // Row by row, so that memory holds one resized row beside the image and the result.
    private static float[] Resize(byte[] pixels, int channels, (int Rows, int Columns) from, (int Rows, int Columns) to)
    {
        var across = Taps(from.Columns, to.Columns);
        var down = Taps(from.Rows, to.Rows);
        var result = new float[to.Rows * to.Columns * channels];
        var line = new float[to.Columns * channels];
        for (var y = 0; y < to.Rows; y++)
        {
            var target = result.AsSpan(y * line.Length, line.Length);
            for (var i = 0; i < down[y].Weights.Length; i++)
            {
                ResizeRow(pixels.AsSpan((down[y].First + i) * from.Columns * channels, from.Columns * channels), channels, across, line);
                for (var x = 0; x < line.Length; x++) target[x] += down[y].Weights[i] * line[x];
            }
        }
        return result;
    }

    private static void ResizeRow(ReadOnlySpan<byte> row, int channels, (int First, float[] Weights)[] across, Span<float> line)
    {
        for (var x = 0; x < across.Length; x++)
        {
            var (first, weights) = across[x];
            for (var channel = 0; channel < channels; channel++)
            {
                var sum = 0f;
                for (var i = 0; i < weights.Length; i++) sum += weights[i] * row[(first + i) * channels + channel];
                line[x * channels + channel] = sum;
            }
        }
    }

    // For each place of the result, the places of which it is the weighted mean.
    private static (int First, float[] Weights)[] Taps(int from, int to)
    {
        var scale = (double)from / to;
        var reach = Math.Max(scale, 1);
        return [.. Enumerable.Range(0, to).Select(i =>
        {
            var centre = (i + 0.5) * scale;
            var first = Math.Max(0, (int)(centre - reach + 0.5));
            var end = Math.Min(from, (int)(centre + reach + 0.5));
            double[] weights = [.. Enumerable.Range(first, end - first).Select(j => Math.Max(0, 1 - Math.Abs(j + 0.5 - centre) / reach))];
            var sum = weights.Sum();
            return (first, (float[])[.. weights.Select(weight => (float)(weight / sum))]);
        })];
    }
}
