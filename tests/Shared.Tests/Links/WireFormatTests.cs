using System.Runtime.InteropServices;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class WireFormatTests
{
    [Fact]
    public void Numbers_of_any_count_are_rounded_to_what_can_travel() => Gen.Float.Array[0, 1500].Sample(numbers =>
    {
        var (halves, travelled) = (new ushort[numbers.Length], new float[numbers.Length]);
        Bfloat16.Encode(numbers, halves);
        Bfloat16.Decode(halves, travelled);
        var (half, whole) = (numbers.ToArray(), numbers.ToArray());

        new WireFormat(true).Round(half);
        new WireFormat(false).Round(whole);

        Assert.True(BitsOf(travelled).SequenceEqual(BitsOf(half)));
        Assert.True(BitsOf(numbers).SequenceEqual(BitsOf(whole)));
    });

    private static Span<byte> BitsOf(float[] numbers) => MemoryMarshal.AsBytes(numbers.AsSpan());
}
