using SkiaSharp;

namespace Distributed.Worker.Data;

/// <summary>Reads PNG and JPEG files from any source.</summary>
internal static class ImageFile
{
    public const long MaxBytes = 64 << 20;

    /// <summary>Largest number of pixels; decoded, each takes 4 bytes.</summary>
    public const long MaxPixels = 64 << 20;
    private const int SignatureLength = 8;

    private static ReadOnlySpan<byte> Png => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];
    private static ReadOnlySpan<byte> Jpeg => [0xff, 0xd8, 0xff];

    /// <summary>Reads a file and fits it to a format, see <see cref="ImageFit"/>.</summary>
    /// <returns>Raw pixels, channels × height × width.</returns>
    public static byte[] Read(string path, ImageFormat format)
    {
        using var codec = SKCodec.Create(Load(path)) ?? throw new ImageException("is damaged: its header cannot be read");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > MaxPixels)
            throw new ImageException($"has {width}x{height} pixels; at most {MaxPixels} are allowed");
        var pixels = GC.AllocateUninitializedArray<byte>(width * height * ImageFit.PixelSize);
        var result = Decode(codec, pixels);
        return result == SKCodecResult.Success
            ? ImageFit.To(format, pixels, width, height, (int)codec.EncodedOrigin)
            : throw new ImageException(result == SKCodecResult.IncompleteInput ? "is cut short" : $"is damaged ({result})");
    }

    private static unsafe SKCodecResult Decode(SKCodec codec, byte[] pixels)
    {
        fixed (byte* first = pixels)
            return codec.GetPixels(new(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul), (nint)first);
    }

    // Skia has decoders for more formats; only PNG and JPEG reach them.
    private static SKData Load(string path)
    {
        try
        {
            if (Directory.Exists(path)) throw new ImageException("is a folder");
            var length = new FileInfo(path).Length;
            if (length == 0) throw new ImageException("is empty, or no file");
            if (length > MaxBytes) throw new ImageException($"has {length} bytes; at most {MaxBytes} are allowed");
            using var file = File.OpenRead(path);
            Span<byte> signature = stackalloc byte[SignatureLength];
            signature = signature[..file.ReadAtLeast(signature, SignatureLength, throwOnEndOfStream: false)];
            if (!signature.StartsWith(Png) && !signature.StartsWith(Jpeg))
                throw new ImageException($"is neither PNG nor JPEG: it begins with the bytes {Convert.ToHexStringLower(signature)}");
            file.Position = 0;
            return SKData.Create(file, length) ?? throw new ImageException("became shorter while it was read");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ImageException("does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ImageException($"cannot be read: {error.Message}", error);
        }
    }
}

/// <summary>A file is no usable image. The message, for the user, continues a sentence that begins with the file's name.</summary>
internal sealed class ImageException(string message, Exception? cause = null) : Exception(message, cause);
