using System.Buffers.Binary;
using System.IO.Hashing;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

/// <summary>Reads and writes the bytes of a <see cref="FrameHeader"/>.</summary>
internal static class FrameCodec
{
    public const byte Version = 1;

    private const uint Magic = 0x4C544244; // "DBTL"
    private const int ChecksumOffset = 48;

    public static void Write(this in FrameHeader frame, Span<byte> header, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, frame.Length);
        WriteFields(frame, header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[ChecksumOffset..], ChecksumOf(header, payload));
    }

    /// <summary>Writes a header whose checksum covers only itself, for a payload that stays in memory.</summary>
    public static void Write(this in FrameHeader frame, Span<byte> header)
    {
        WriteFields(frame, header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[ChecksumOffset..], ChecksumOf(header));
    }

    /// <summary>Reads a header without verifying its checksum.</summary>
    /// <exception cref="LinkException">The header is malformed, of another version, or has a length that is not allowed.</exception>
    public static FrameHeader Read(ReadOnlySpan<byte> header)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) throw new LinkException("the bytes received are not a frame");
        if (header[4] != Version) throw new LinkException($"frame version {header[4]} received, version {Version} spoken here");
        var length = BinaryPrimitives.ReadInt32LittleEndian(header[40..]);
        if (length is < 0 or > FrameHeader.MaxLength)
            throw new LinkException($"frame of {length} bytes received, at most {FrameHeader.MaxLength} allowed");
        var kind = (FrameKind)header[5];
        if (!Enum.IsDefined(kind)) throw new LinkException($"frame of unknown kind {header[5]} received");
        return new(
            kind,
            BinaryPrimitives.ReadUInt64LittleEndian(header[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(header[28..]),
            new(BinaryPrimitives.ReadInt32LittleEndian(header[32..]), BinaryPrimitives.ReadInt32LittleEndian(header[36..])),
            length);
    }

    public static void Verify(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[ChecksumOffset..]) != ChecksumOf(header, payload))
            throw new LinkException("frame received whose checksum does not match its bytes");
    }

    public static void Verify(ReadOnlySpan<byte> header)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[ChecksumOffset..]) != ChecksumOf(header))
            throw new LinkException("frame header received whose checksum does not match its bytes");
    }

    private static void WriteFields(in FrameHeader frame, Span<byte> header)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        header[4] = Version;
        header[5] = (byte)frame.Kind;
        header[6..8].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], frame.Job);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], frame.Round);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], frame.Generation);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], frame.Slice);
        BinaryPrimitives.WriteInt32LittleEndian(header[32..], frame.Node.First);
        BinaryPrimitives.WriteInt32LittleEndian(header[36..], frame.Node.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], frame.Length);
        header[44..48].Clear();
    }

    private static ulong ChecksumOf(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        XxHash3.HashToUInt64(payload, unchecked((long)ChecksumOf(header)));

    private static ulong ChecksumOf(ReadOnlySpan<byte> header) => XxHash3.HashToUInt64(header[..ChecksumOffset]);
}
