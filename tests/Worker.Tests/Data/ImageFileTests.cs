using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using Distributed.Worker.Data;
using SkiaSharp;

namespace Distributed.Worker.Tests.Data;

public sealed class ImageFileTests : IDisposable
{
    private static readonly ImageFormat _colour = new(3, 8, 8, 10, 1f / byte.MaxValue);

    private readonly TemporaryFolder _folder = new();

    private string Image => _folder.At("image");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_image_of_the_data_set_is_read_unchanged() =>
        Gen.Select(Gen.OneOfConst(Digits.Format, FashionMnist.Format), Gen.Bool, Gen.Int).Sample((format, inColour, seed) =>
    {
        var levels = Levels(format, seed);
        Write(format.Width, format.Height, (x, y) => Grey(levels[y * format.Width + x], format), inColour ? SKColorType.Rgba8888
            : SKColorType.Gray8);
        Assert.Equal(levels, ImageFile.Read(Image, format));
    }, iter: 30, threads: 1);

    [Fact]
    public void An_image_of_one_shade_keeps_it_at_any_size() =>
        Gen.Select(Gen.Int[1, 60], Gen.Int[1, 60], Gen.Byte).Sample((width, height, shade) =>
    {
        Write(width, height, (_, _) => new(shade, shade, shade));
        Assert.All(ImageFile.Read(Image, FashionMnist.Format), pixel => Assert.Equal(shade, pixel));
    }, iter: 30, threads: 1);

    [Fact]
    public void Shrinking_keeps_the_mean() => Gen.Select(Gen.Int[3, 12], Gen.Int[3, 12], Gen.Int).Sample((across, down, seed) =>
    {
        // Dark at the sides, whose pixels have other weights.
        var (width, height) = (28 * across, 28 * down);
        var random = new Random(seed);
        var shades = new byte[width * height];
        for (var y = 2 * down; y < height - 2 * down; y++) random.NextBytes(shades.AsSpan(y * width + 2 * across, width - 4 * across));
        Write(width, height, (x, y) => Grey(shades[y * width + x], FashionMnist.Format));
        Assert.Equal(shades.Average(shade => (double)shade), ImageFile.Read(Image, FashionMnist.Format).Average(pixel => (double)pixel),
            0.5);
    }, iter: 20, threads: 1);

    [Fact]
    public void Fine_stripes_become_their_mean_without_aliasing()
    {
        Write(8 * 25, 8 * 25, (x, _) => x % 2 == 0 ? SKColors.White : SKColors.Black);
        Assert.All(ImageFile.Read(Image, Digits.Format), pixel => Assert.InRange(pixel, (byte)8, (byte)8));
    }

    [Theory]
    [InlineData(255, 255, 255, 255, 255)]
    [InlineData(255, 0, 0, 255, 76)]
    [InlineData(0, 255, 0, 255, 150)]
    [InlineData(0, 0, 255, 255, 29)]
    [InlineData(255, 255, 255, 0, 0)]
    [InlineData(200, 200, 200, 128, 100)]
    public void Colours_become_their_luma_and_the_transparent_black(byte red, byte green, byte blue, byte alpha, byte grey)
    {
        Write(28, 28, (_, _) => new(red, green, blue, alpha));
        Assert.All(ImageFile.Read(Image, FashionMnist.Format), pixel => Assert.Equal(grey, pixel));
    }

    [Fact]
    public void A_data_set_in_colour_keeps_the_colours_channel_by_channel()
    {
        Write(8, 8, (x, y) => new((byte)(10 * x), (byte)(20 * y), 200));
        var pixels = ImageFile.Read(Image, _colour);
        for (var y = 0; y < 8; y++)
            for (var x = 0; x < 8; x++)
                Assert.Equal((10 * x, 20 * y, 200), (pixels[y * 8 + x], pixels[64 + y * 8 + x], pixels[128 + y * 8 + x]));
    }

    // Places of the stored corners (top left, top right, bottom left, bottom right); source: Exif 2.32, tag 274.
    [Theory]
    [InlineData(1, 0, 1, 2, 3)]
    [InlineData(2, 1, 0, 3, 2)]
    [InlineData(3, 3, 2, 1, 0)]
    [InlineData(4, 2, 3, 0, 1)]
    [InlineData(5, 0, 2, 1, 3)]
    [InlineData(6, 2, 0, 3, 1)]
    [InlineData(7, 3, 1, 2, 0)]
    [InlineData(8, 1, 3, 0, 2)]
    public void A_photograph_is_rotated_by_its_Exif_orientation(byte orientation, params int[] corners)
    {
        byte[] shades = [0, 80, 160, 240];
        Write(80, 48, (x, y) => Grey(shades[(y < 24 ? 0 : 2) + (x < 40 ? 0 : 1)], FashionMnist.Format), format: SKEncodedImageFormat.Jpeg);
        File.WriteAllBytes(Image, WithOrientation(File.ReadAllBytes(Image), orientation));
        var pixels = ImageFile.Read(Image, FashionMnist.Format);
        byte[] found = [pixels[0], pixels[27], pixels[27 * 28], pixels[27 * 28 + 27]];
        for (var i = 0; i < 4; i++) Assert.InRange(found[i], shades[corners[i]] - 8, shades[corners[i]] + 8);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    public void A_truncated_image_is_rejected(SKEncodedImageFormat kind)
    {
        var random = new Random(1);
        Write(40, 40, (_, _) => new((byte)random.Next(256), (byte)random.Next(256), 0), format: kind);
        var whole = File.ReadAllBytes(Image);
        // The end marker and checksums after the last pixels may be missing.
        Gen.Int[1, whole.Length - 40].Sample(length =>
        {
            File.WriteAllBytes(Image, whole[..length]);
            var message = Assert.Throws<ImageException>(() => ImageFile.Read(Image, Digits.Format)).Message;
            Assert.True(message.Contains("cut short", StringComparison.Ordinal) || message.Contains("damaged", StringComparison.Ordinal)
                || length < 8, message);
        }, iter: 60, threads: 1);
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    public void A_damaged_image_is_read_or_rejected(SKEncodedImageFormat kind)
    {
        Write(20, 20, (x, y) => new((byte)(10 * x), (byte)(10 * y), 0), format: kind);
        var whole = File.ReadAllBytes(Image);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 4].Sample(damage =>
        {
            var bytes = (byte[])whole.Clone();
            foreach (var (at, value) in damage) bytes[at] = value;
            File.WriteAllBytes(Image, bytes);
            try
            {
                Assert.Equal(Digits.Format.SampleSize, ImageFile.Read(Image, Digits.Format).Length);
            }
            catch (ImageException)
            {
            }
        }, iter: 300, threads: 1);
    }

    [Fact]
    public void An_image_with_too_many_pixels_is_rejected_before_decoding()
    {
        File.WriteAllBytes(Image, PngOf(60_000, 60_000));
        Refused("has 60000x60000 pixels; at most 67108864 are allowed");
    }

    [Fact]
    public void A_file_that_is_too_large_is_rejected_unread()
    {
        using (var file = File.Create(Image)) file.SetLength(ImageFile.MaxBytes + 1);
        Refused($"has {ImageFile.MaxBytes + 1} bytes; at most {ImageFile.MaxBytes} are allowed");
    }

    [Fact]
    public void A_path_without_an_image_is_rejected_with_the_reason()
    {
        Refused("does not exist");
        File.WriteAllText(Image, "GIF89a and so on");
        Refused("is neither PNG nor JPEG: it begins with the bytes 4749463839612061");
        File.WriteAllText(Image, "");
        Refused("is empty, or no file");
        File.Delete(Image);
        Directory.CreateDirectory(Image);
        Refused("is a folder");
    }

    private void Refused(string message) =>
        Assert.Equal(message, Assert.Throws<ImageException>(() => ImageFile.Read(Image, Digits.Format)).Message);

    private static byte[] Levels(ImageFormat format, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, format.SampleSize).Select(_ => (byte)random.Next(format.Brightest + 1))];
    }

    private static SKColor Grey(byte level, ImageFormat format)
    {
        var shade = (byte)Math.Round(level * 255.0 / format.Brightest);
        return new(shade, shade, shade);
    }

    private void Write(int width, int height, Func<int, int, SKColor> colour, SKColorType type = SKColorType.Rgba8888,
        SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using var bitmap = new SKBitmap(width, height, type, type == SKColorType.Gray8 ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++) bitmap.SetPixel(x, y, colour(x, y));
        using var file = File.Create(Image);
        Assert.True(bitmap.Encode(file, format, 100));
    }

    // An APP1 segment with a TIFF header and one directory of one entry, after the start of the image.
    private static byte[] WithOrientation(byte[] jpeg, byte orientation) =>
    [
        .. jpeg[..2],
        0xff, 0xe1, 0, 34, .. "Exif"u8, 0, 0,
        .. "MM"u8, 0, 42, 0, 0, 0, 8,
        0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0,
        .. jpeg[2..],
    ];

    // The beginning of a grey PNG, without its pixels.
    private static byte[] PngOf(int width, int height)
    {
        byte[] size = new byte[8];
        BinaryPrimitives.WriteInt32BigEndian(size, width);
        BinaryPrimitives.WriteInt32BigEndian(size.AsSpan(4), height);
        using var packed = new MemoryStream();
        using (var zip = new ZLibStream(packed, CompressionLevel.Fastest)) zip.Write(new byte[1000]);
        return [0x89, .. "PNG\r\n\x1a\n"u8, .. Chunk("IHDR"u8, [.. size, 8, 0, 0, 0, 0]), .. Chunk("IDAT"u8, packed.ToArray())];
    }

    private static byte[] Chunk(ReadOnlySpan<byte> name, byte[] data)
    {
        byte[] length = new byte[4], sum = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(sum, Crc32.HashToUInt32([.. name, .. data]));
        return [.. length, .. name, .. data, .. sum];
    }
}
