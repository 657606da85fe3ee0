using System.Runtime.InteropServices;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class WireFormatTests
{
    [Fact]
    public void Any_number_of_floats_is_rounded_to_values_of_the_wire_format() => Gen.Float.Array[0, 1500].Sample(numbers =>
    {
        var (halves, travelled) = (new ushort[numbers.Length], new float[numbers.Length]);
        Bfloat16.Encode(numbers, halves);
        Bfloat16.Decode(halves, travelled);
        var (rounded, whole) = (numbers.ToArray(), numbers.ToArray());

        new WireFormat(true).Round(rounded);
        new WireFormat(false).Round(whole);

        Assert.True(BitsOf(travelled).SequenceEqual(BitsOf(rounded)));
        Assert.True(BitsOf(numbers).SequenceEqual(BitsOf(whole)));
    });

    private static Span<byte> BitsOf(float[] numbers) => MemoryMarshal.AsBytes(numbers.AsSpan());
}
