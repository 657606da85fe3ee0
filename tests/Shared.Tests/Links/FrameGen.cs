using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>Random frames, as bytes and as values.</summary>
internal static class FrameGen
{
    /// <summary>Payload lengths: empty, a few bytes, around the limit of a small frame, a slice of a vector, the maximum.</summary>
    public static readonly Gen<int> Length = Gen.Frequency(
        (3, Gen.Int[0, 64]),
        (2, Gen.Int[16 * 1024 - 70, 16 * 1024 + 70]),
        (2, Gen.Int[0, VectorLayout.SliceFloats * sizeof(float)]),
        (1, Gen.Int[FrameHeader.MaxLength - 8, FrameHeader.MaxLength]));

    public static Gen<FrameHeader> Header(Gen<int> length) =>
        from kind in Gen.Enum<FrameKind>()
        from job in Gen.ULong
        from generation in Gen.Int
        from round in Gen.Long
        from slice in Gen.Int
        from first in Gen.Int
        from count in Gen.Int
        from bytes in length
        select new FrameHeader(kind, job, generation, round, slice, new(first, count), bytes);

    /// <summary>A payload that depends on a seed.</summary>
    public static void Fill(Span<byte> payload, int seed) => new Random(seed).NextBytes(payload);

    public static byte[] Payload(int length, int seed)
    {
        var payload = new byte[length];
        Fill(payload, seed);
        return payload;
    }

    /// <summary>A frame as it is on the wire.</summary>
    public static byte[] Bytes(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var frame = new byte[FrameHeader.Size + payload.Length];
        header.Write(frame, payload);
        payload.CopyTo(frame.AsSpan(FrameHeader.Size));
        return frame;
    }

    /// <summary>A contribution with this number in place of its slice.</summary>
    public static FrameHeader Numbered(int number, int length) => new(FrameKind.Contribution, 1, 2, 3, number, new(0, 1), length);
}
