using Distributed.Worker.Tests.Replicas;
using SkiaSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Packages;

/// <summary>TorchSharp was built against an older SkiaSharp than the one that plotting needs and the central versions pin.</summary>
[Collection(TorchTests.Name)]
public sealed class SkiaSharpTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.png");

    [Fact]
    public void An_image_that_TorchSharp_reads_and_writes_keeps_its_pixels_with_the_pinned_SkiaSharp()
    {
        using (var bitmap = new SKBitmap(3, 2, SKColorType.Rgba8888, SKAlphaType.Opaque))
        {
            for (var y = 0; y < 2; y++)
                for (var x = 0; x < 3; x++) bitmap.SetPixel(x, y, PixelAt(x, y));
            using var file = File.Create(_path);
            Assert.True(bitmap.Encode(file, SKEncodedImageFormat.Png, 100));
        }

        var image = Assert.Single(utils.tensorboard.Summary.image("x", _path).Value).Image;

        using var read = SKBitmap.Decode(image.EncodedImageString.ToByteArray());
        Assert.Equal((3, 2), (read.Width, read.Height));
        for (var y = 0; y < 2; y++)
            for (var x = 0; x < 3; x++) Assert.Equal(PixelAt(x, y), read.GetPixel(x, y));
    }

    public void Dispose() => File.Delete(_path);

    private static SKColor PixelAt(int x, int y) => new((byte)(10 * x), (byte)(20 * y), 200);
}
