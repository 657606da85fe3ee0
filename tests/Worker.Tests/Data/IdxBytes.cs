using System.Buffers.Binary;
using System.IO.Compression;

namespace Distributed.Worker.Tests.Data;

/// <summary>IDX files as bytes, written independently of the reader.</summary>
internal static class IdxBytes
{
    public static byte[] Of(int[] dimensions, ReadOnlySpan<byte> values)
    {
        var header = new byte[4 + 4 * dimensions.Length];
        (header[2], header[3]) = (0x08, (byte)dimensions.Length);
        for (var i = 0; i < dimensions.Length; i++) BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + 4 * i), dimensions[i]);
        return [.. header, .. values];
    }

    public static byte[] Gzipped(ReadOnlySpan<byte> content)
    {
        using var target = new MemoryStream();
        using (var gzip = new GZipStream(target, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(content);
        return target.ToArray();
    }
}
