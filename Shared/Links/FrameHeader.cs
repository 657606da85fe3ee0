using System.Buffers.Binary;
using System.IO.Hashing;
using Distributed.Shared.Kernel;
using Distributed.Shared.Security;

namespace Distributed.Shared.Links;

/// <summary>What a frame carries.</summary>
public enum FrameKind : byte
{
    /// <summary>First frame of a link each way: <see cref="LinkHello"/>, and the answer to it.</summary>
    Hello = 1,
    /// <summary>A slice of a node's sum, from a worker to whoever reduces it.</summary>
    Contribution = 2,
    /// <summary>A worker without micro-batches in this round has reached it; no payload.</summary>
    Present = 3,
    /// <summary>A slice of the averaged contribution.</summary>
    Average = 4,
    /// <summary>A piece of a replica's state. <see cref="FrameHeader.Round"/>: rounds applied to it; node: (pieces in all, bytes in all).</summary>
    State = 5,
    /// <summary>A piece of a replica's state that is to be stored; otherwise like <see cref="State"/>.</summary>
    Checkpoint = 6,
    /// <summary>A piece of the parameters that a worker begins with, of generation <see cref="FrameHeader.AnyGeneration"/>; otherwise like <see cref="State"/>.</summary>
    Initial = 7,
    /// <summary>A piece of a data set, of generation <see cref="FrameHeader.AnyGeneration"/>: its manifest, then its files. <see cref="FrameHeader.Round"/>: bytes before it.</summary>
    Data = 8,
}

/// <summary>
/// What stands before every payload on a tensor link: 56 bytes, little-endian. The checksum covers the header and the
/// payload, so a frame that was cut, mixed up or changed is noticed before its numbers are used.
/// </summary>
/// <param name="Kind">What the payload is.</param>
/// <param name="Job">Fingerprint of the job.</param>
/// <param name="Generation">Generation of the plan it is sent under.</param>
/// <param name="Round">Number of the round.</param>
/// <param name="Slice">Slice of the vector, or piece of the state.</param>
/// <param name="Node">The node of the reduction tree that is summed.</param>
/// <param name="Length">Bytes of payload that follow.</param>
public readonly record struct FrameHeader(FrameKind Kind, ulong Job, int Generation, long Round, int Slice, TreeNode Node, int Length)
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 56;

    /// <summary>Bytes a payload may have: the largest slice of a vector, or a piece of a state or data set.</summary>
    public const int MaxLength = VectorLayout.SliceFloats * sizeof(float);

    /// <summary>Of frames that no change of the cluster makes stale.</summary>
    public const int AnyGeneration = int.MaxValue;

    /// <summary>Version of this format; another one is refused.</summary>
    public const byte Version = 1;

    private const uint Magic = 0x4C544244; // "DBTL"
    private const int ChecksumOffset = 48;

    /// <summary>Writes the header with the checksum of itself and the payload.</summary>
    public void Write(Span<byte> header, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, Length);
        WriteFields(header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[ChecksumOffset..], ChecksumOf(header, payload));
    }

    /// <summary>Writes the header with the checksum of itself alone, for where the payload cannot be damaged on its way.</summary>
    public void Write(Span<byte> header)
    {
        WriteFields(header);
        BinaryPrimitives.WriteUInt64LittleEndian(header[ChecksumOffset..], ChecksumOf(header));
    }

    /// <summary>Reads a header; the checksum is checked by <see cref="Verify(ReadOnlySpan{byte}, ReadOnlySpan{byte})"/> when the payload is there.</summary>
    /// <exception cref="LinkException">No header of this version, or a length that is not allowed.</exception>
    public static FrameHeader Read(ReadOnlySpan<byte> header)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) throw new LinkException("the bytes received are no frame");
        if (header[4] != Version) throw new LinkException($"frame version {header[4]} received, version {Version} spoken here");
        var length = BinaryPrimitives.ReadInt32LittleEndian(header[40..]);
        if (length is < 0 or > MaxLength) throw new LinkException($"frame of {length} bytes received, at most {MaxLength} allowed");
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

    /// <summary>Checks the checksum.</summary>
    /// <exception cref="LinkException">It does not match.</exception>
    public static void Verify(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[ChecksumOffset..]) != ChecksumOf(header, payload))
            throw new LinkException("frame received whose checksum does not match its bytes");
    }

    /// <summary>Checks the checksum of a header alone.</summary>
    /// <exception cref="LinkException">It does not match.</exception>
    public static void Verify(ReadOnlySpan<byte> header)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(header[ChecksumOffset..]) != ChecksumOf(header))
            throw new LinkException("frame header received whose checksum does not match its bytes");
    }

    private void WriteFields(Span<byte> header)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        header[4] = Version;
        header[5] = (byte)Kind;
        header[6..8].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], Job);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], Round);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], Generation);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], Slice);
        BinaryPrimitives.WriteInt32LittleEndian(header[32..], Node.First);
        BinaryPrimitives.WriteInt32LittleEndian(header[36..], Node.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], Length);
        header[44..48].Clear();
    }

    private static ulong ChecksumOf(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        XxHash3.HashToUInt64(payload, unchecked((long)ChecksumOf(header)));

    private static ulong ChecksumOf(ReadOnlySpan<byte> header) => XxHash3.HashToUInt64(header[..ChecksumOffset]);
}

/// <summary>A link was broken or broke its rules; the message is the reason, in a user's words.</summary>
public sealed class LinkException : Exception
{
    /// <summary>With the reason.</summary>
    public LinkException(string message) : base(message) { }

    /// <summary>With the reason and its cause.</summary>
    public LinkException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Whether the other end is gone, rather than has broken a rule.</summary>
    public bool IsDisconnect { get; init; }

    /// <summary>Why the connection did not become a link, if one of the two ends has refused it.</summary>
    public Refusal? Refusal { get; init; }
}
