using System.Buffers.Binary;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

public sealed class FrameHeaderTests
{
    private static readonly Gen<(FrameHeader Header, byte[] Bytes)> _anyFrame =
        from header in FrameGen.Header(Gen.Int[0, 300])
        from seed in Gen.Int
        select (header, FrameGen.Bytes(header, FrameGen.Payload(header.Length, seed)));

    [Fact]
    public void A_header_survives_a_round_trip() => _anyFrame.Sample(frame =>
    {
        Assert.Equal(frame.Header, FrameCodec.Read(frame.Bytes));
        Verify(frame.Bytes);
    });

    [Fact]
    public void A_flipped_bit_in_header_or_payload_is_detected() => Gen.Select(_anyFrame, Gen.Int[0, int.MaxValue]).Sample((frame, at) =>
    {
        var bit = at % (frame.Bytes.Length * 8);
        frame.Bytes[bit / 8] ^= (byte)(1 << bit % 8);
        Assert.Throws<LinkException>(() =>
        {
            FrameCodec.Read(frame.Bytes);
            Verify(frame.Bytes);
        });
    });

    [Fact]
    public void A_flipped_bit_in_a_header_checked_alone_is_detected() =>
        Gen.Select(_anyFrame, Gen.Int[0, FrameHeader.Size * 8 - 1]).Sample((frame, bit) =>
        {
            frame.Header.Write(frame.Bytes);
            Assert.Equal(frame.Header, FrameCodec.Read(frame.Bytes));
            FrameCodec.Verify(frame.Bytes.AsSpan(0, FrameHeader.Size));
            frame.Bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Throws<LinkException>(() => FrameCodec.Verify(frame.Bytes.AsSpan(0, FrameHeader.Size)));
        });

    [Fact]
    public void A_payload_of_another_frame_is_detected() => Gen.Select(_anyFrame, _anyFrame).Sample((a, b) =>
    {
        byte[] mixed = [.. a.Bytes[..FrameHeader.Size], .. b.Bytes[FrameHeader.Size..]];
        if (!mixed.SequenceEqual(a.Bytes)) Assert.Throws<LinkException>(() => Verify(mixed));
    });

    [Fact]
    public void Malformed_headers_are_refused() =>
        Gen.Select(_anyFrame, Gen.Byte.Array[FrameHeader.Size], Gen.Int[0, FrameHeader.Size]).Sample((frame, noise, kept) =>
        {
            // The beginning of a valid header, so that every check is reached.
            frame.Bytes.AsSpan(0, kept).CopyTo(noise);
            try
            {
                Assert.InRange(FrameCodec.Read(noise).Length, 0, FrameHeader.MaxLength);
            }
            catch (LinkException refused)
            {
                Assert.NotEmpty(refused.Message);
            }
        }, iter: 10_000);

    [Fact]
    public void The_length_of_a_payload_is_capped() =>
        Gen.OneOf(Gen.Int, Gen.Int[-2, 2], Gen.Int[FrameHeader.MaxLength - 2, FrameHeader.MaxLength + 2]).Sample(length =>
        {
            var bytes = FrameGen.Bytes(FrameGen.Numbered(0, 0), []);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(40), length);
            if (length is >= 0 and <= FrameHeader.MaxLength) Assert.Equal(length, FrameCodec.Read(bytes).Length);
            else
                Assert.Contains(
                    $"{length} bytes", Assert.Throws<LinkException>(() => FrameCodec.Read(bytes)).Message, StringComparison.Ordinal);
        });

    [Fact]
    public void Another_version_is_refused_with_both_versions_named()
    {
        var bytes = FrameGen.Bytes(FrameGen.Numbered(0, 0), []);
        bytes[4] = FrameCodec.Version + 1;
        Assert.Equal(
            $"frame version {FrameCodec.Version + 1} received, version {FrameCodec.Version} spoken here",
            Assert.Throws<LinkException>(() => FrameCodec.Read(bytes)).Message);
    }

    [Fact]
    public void A_payload_of_another_length_than_in_the_header_cannot_be_written() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => FrameGen.Numbered(0, 3).Write(new byte[FrameHeader.Size], new byte[4]));

    private static void Verify(byte[] frame) => FrameCodec.Verify(frame.AsSpan(0, FrameHeader.Size), frame.AsSpan(FrameHeader.Size));
}
