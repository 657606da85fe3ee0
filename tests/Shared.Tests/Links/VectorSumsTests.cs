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
    public void A_sum_has_the_bits_of_a_plain_loop_and_touches_its_slice_alone() => _any.Sample((layout, seed, pick) =>
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

    [Fact]
    public void An_average_has_the_bits_of_a_plain_division_and_leaves_the_tallies_sums() => _any.Sample((layout, seed, pick) =>
    {
        var samples = pick + 1;
        using var pool = new VectorPool(layout);
        var sum = Random(pool, seed);
        var (floats, tallies) = (sum.Floats.ToArray(), sum.Tallies.ToArray());
        for (var i = 0; i < floats.Length; i++) floats[i] /= samples;
        for (var slice = 0; slice < layout.Slices; slice++) VectorSums.Average(sum, slice, samples);
        AssertSameBits(floats, sum.Floats);
        AssertSameBits(tallies, sum.Tallies);
        sum.Release();
    });

    [Fact]
    public void The_reduction_adds_along_the_tree_and_lets_go_of_every_vector() => Gen.Select(Gen.Int[1, 12], Gen.Int).Sample((leaves, seed) =>
    {
        var layout = new VectorLayout(5, 1);
        var buffers = new PooledBuffers(layout);
        using (buffers.Pool)
        {
            using (var sums = new VectorSums(leaves))
            {
                var values = new float[leaves];
                var reduce = new Reduce(leaves, layout.Slices);
                var order = Enumerable.Range(0, leaves).ToArray();
                new Random(seed).Shuffle(order);
                foreach (var leaf in order)
                {
                    var vector = buffers.Rent();
                    vector.Floats.Fill(values[leaf] = new Random(seed ^ leaf).NextSingle());
                    sums.Put(leaf, vector);
                    reduce.Arrive(new(leaf, 1), 0, sums);
                }
                foreach (var sum in sums.At(0)!.Floats) Assert.Equal(Sum(values, new ReductionTree(leaves).Root), sum);
            }
            buffers.AssertAllReturned();
        }
    });

    [Fact]
    public void A_place_holds_one_vector_and_gives_it_out_once()
    {
        var buffers = new PooledBuffers(new(5, 1));
        using (buffers.Pool)
        {
            using (var sums = new VectorSums(3))
            {
                var (first, second) = (buffers.Rent(), buffers.Rent());
                sums.Put(1, first);
                Assert.Throws<InvalidOperationException>(() => sums.Put(1, second));
                Assert.Same(first, sums.At(1));
                Assert.Same(first, sums.Take(1));
                Assert.Throws<InvalidOperationException>(() => sums.Take(1));
                Assert.Null(sums.At(1));
                first.Release();
                second.Release();
            }
            buffers.AssertAllReturned();
        }
    }

    private static float Sum(float[] values, TreeNode node)
    {
        if (node.Count == 1) return values[node.First];
        var (left, right) = ReductionTree.Children(node);
        return Sum(values, left) + Sum(values, right);
    }

    /// <summary>Random bits: every kind of number, subnormal, infinite and none.</summary>
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
            // IEEE 754 leaves open which of two NaN a sum of them is.
            if (T.IsNaN(expected[i]) && T.IsNaN(actual[i])) continue;
            var isSame = MemoryMarshal.AsBytes(expected.Slice(i, 1)).SequenceEqual(MemoryMarshal.AsBytes(actual.Slice(i, 1)));
            if (!isSame) Assert.Fail($"{actual[i]} for {expected[i]} at {i}");
        }
    }
}
