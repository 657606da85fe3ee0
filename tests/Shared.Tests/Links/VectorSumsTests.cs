using System.Numerics;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class VectorSumsTests
{
    // Lengths around the widths of vector registers, and more than one slice.
    private static readonly Gen<VectorLayout> _anyLayout =
        from floats in Gen.OneOf(Gen.Int[0, 70], Gen.Int[VectorLayout.SliceFloats - 1, VectorLayout.SliceFloats + 40])
        from tallies in Gen.Int[1, 20]
        select new VectorLayout(floats, tallies);

    private static readonly Gen<(VectorLayout, int Seed, int Pick)> _any = Gen.Select(_anyLayout, Gen.Int, Gen.Int[0, 1 << 24]);

    [Fact]
    public void A_sum_has_the_bits_of_a_plain_loop_and_changes_its_slice_only() => _any.Sample((layout, seed, pick) =>
    {
        using var pool = new VectorPool(layout);
        var (into, from) = (Random(pool, seed), Random(pool, seed ^ 1));
        var (floats, tallies) = (into.Floats.ToArray(), into.Tallies.ToArray());
        var slice = pick % layout.Slices;
        if (slice == layout.TallySlice)
            for (var i = 0; i < tallies.Length; i++) tallies[i] += from.Tallies[i];
        else
            for (var i = 0; i < from.FloatsAt(slice).Length; i++) floats[slice * VectorLayout.SliceFloats + i] += from.FloatsAt(slice)[i];
        var addend = from.GetSpan().ToArray();
        VectorSums.Add(into, from, slice);
        AssertSameBits(floats, into.Floats);
        AssertSameBits(tallies, into.Tallies);
        Assert.True(from.GetSpan().SequenceEqual(addend));
        into.Release();
        from.Release();
    });

    /// <summary>Random bits: subnormal and infinite numbers and NaN too.</summary>
    private static VectorBuffer Random(VectorPool pool, int seed)
    {
        var buffer = pool.Rent();
        new Random(seed).NextBytes(buffer.GetSpan());
        return buffer;
    }

    private static void AssertSameBits<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            // IEEE 754 does not define which of two NaN their sum is.
            if (T.IsNaN(expected[i]) && T.IsNaN(actual[i])) continue;
            var isSame = MemoryMarshal.AsBytes(expected.Slice(i, 1)).SequenceEqual(MemoryMarshal.AsBytes(actual.Slice(i, 1)));
            if (!isSame) Assert.Fail($"{actual[i]} for {expected[i]} at {i}");
        }
    }
}
