using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class StreamingCopyTests
{
    private const int MaxLength = 3000;
    private const byte Untouched = 0xAA;

    [Fact]
    public void It_copies_the_given_bytes_only() =>
        Gen.Select(Gen.Byte.Array[0, MaxLength], Gen.Int[0, 130], Gen.Int[0, 130]).Sample((bytes, skipped, place) =>
        {
            ReadOnlySpan<byte> from = bytes.AsSpan(Math.Min(skipped, bytes.Length));
            var memory = new byte[MaxLength + 131];
            memory.AsSpan().Fill(Untouched);
            StreamingCopy.To(memory.AsSpan(place), from);
            return memory.AsSpan(place, from.Length).SequenceEqual(from)
                && memory.AsSpan(0, place).IndexOfAnyExcept(Untouched) < 0
                && memory.AsSpan(place + from.Length).IndexOfAnyExcept(Untouched) < 0;
        });

    [Fact]
    public void Memory_that_is_too_short_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => StreamingCopy.To(new byte[9], new byte[10]));
}
