using System.Runtime.InteropServices;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class Bfloat16Tests
{
    // The lower halves at which the direction of rounding changes, and random ones.
    private static readonly Gen<ushort> _lower =
        Gen.OneOf(Gen.OneOfConst<ushort>(0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF), Gen.UShort);

    [Fact]
    public void Every_upper_half_is_encoded_as_the_definition_says() => _lower.Array[64].Sample(lowers =>
    {
        var source = Enumerable.Range(0, 1 << 16).Select(upper => (uint)upper << 16 | lowers[upper % lowers.Length]).ToArray();
        var encoded = new ushort[source.Length];
        Bfloat16.Encode(MemoryMarshal.Cast<uint, float>(source), encoded);
        for (var i = 0; i < source.Length; i++)
            if (encoded[i] != Nearest(source[i])) Assert.Fail($"{encoded[i]:x4} for {source[i]:x8}");
    }, iter: 100);

    [Fact]
    public void The_bits_do_not_depend_on_length_or_position() =>
        Gen.Select(Gen.UInt.Array[0, 100], Gen.Int[0, 100]).Sample((source, cut) =>
        {
            var floats = MemoryMarshal.Cast<uint, float>(source);
            var encoded = new ushort[source.Length];
            cut = Math.Min(cut, source.Length);
            Bfloat16.Encode(floats[..cut], encoded.AsSpan(0, cut));
            Bfloat16.Encode(floats[cut..], encoded.AsSpan(cut));
            Assert.Equal(source.Select(Nearest), encoded);
        });

    [Fact]
    public void Decoding_is_exact_and_encoding_it_again_gives_the_same()
    {
        var all = Enumerable.Range(0, 1 << 16).Select(i => (ushort)i).ToArray();
        foreach (var length in (int[])[all.Length, all.Length - 1])
        {
            var decoded = new float[length];
            Bfloat16.Decode(all.AsSpan(0, length), decoded);
            Assert.Equal(all[..length].Select(i => (uint)i << 16), decoded.Select(BitConverter.SingleToUInt32Bits));
            var again = new ushort[length];
            Bfloat16.Encode(decoded, again);
            Assert.Equal(all[..length].Select(i => float.IsNaN(decoded[i]) ? (ushort)(i | 0x40) : i), again);
        }
    }

    [Fact]
    public void Different_lengths_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Bfloat16.Encode(new float[3], new ushort[4]));
        Assert.Throws<ArgumentException>(() => Bfloat16.Decode(new ushort[4], new float[3]));
    }

    /// <summary>Rounds to the nearer neighbour, or to the even one of two equally near.</summary>
    private static ushort Nearest(uint bits)
    {
        var value = BitConverter.UInt32BitsToSingle(bits);
        var below = (ushort)(bits >> 16);
        if (float.IsNaN(value)) return (ushort)(below | 0x40);
        if (float.IsInfinity(value)) return below;
        var above = (ushort)(below + 1);
        var (toBelow, toAbove) = (Math.Abs(value - Of(below)), Math.Abs(Of(above) - value));
        return toBelow < toAbove || (toBelow == toAbove && below % 2 == 0) ? below : above;
        // The successor of the largest number counts as the next power of two, as in IEEE 754.
        static double Of(ushort half)
        {
            var value = BitConverter.UInt32BitsToSingle((uint)half << 16);
            return float.IsInfinity(value) ? Math.CopySign(Math.ScaleB(1, 128), value) : value;
        }
    }
}
