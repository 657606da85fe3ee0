using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

/// <summary>The bytes that are sent for a vector, and their value at the other end.</summary>
public sealed class WireCopiesTests
{
    private static readonly Gen<VectorLayout> _layout =
        from floats in Gen.OneOf(Gen.Int[0, 70], Gen.Int[VectorLayout.SliceFloats - 2, VectorLayout.SliceFloats + 600])
        from tallies in Gen.Int[1, 20]
        select new VectorLayout(floats, tallies);

    [Fact]
    public void A_slice_is_received_as_it_was_sent() => Gen.Select(_layout, Gen.Bool, Gen.Int).Sample((layout, isBfloat16, seed) =>
    {
        using var pool = new VectorPool(layout);
        var wire = new WireFormat(isBfloat16);
        var copies = new WireCopies(wire, pool);
        var (vector, read) = (RandomBits(pool, seed), RandomBits(pool, ~seed));
        var sent = vector.GetSpan().ToArray();
        for (var slice = 0; slice < layout.Slices; slice++)
        {
            var (bytes, _) = copies.Of(vector, slice);
            Assert.Equal(layout.WireBytesOf(slice, isBfloat16), bytes.Length);
            wire.Read(bytes.Span, slice, read);
        }
        Assert.Equal(sent, vector.GetSpan().ToArray());
        Assert.Equal(Bits(vector.Tallies), Bits(read.Tallies));
        if (isBfloat16)
            foreach (ref var number in vector.Floats) number = Rounded(number);
        Assert.Equal(Bits(vector.Floats), Bits(read.Floats));
        copies.Clear();
    });

    [Fact]
    public void A_payload_of_the_wrong_length_is_refused_and_changes_nothing() =>
        Gen.Select(_layout, Gen.Bool, Gen.Int, Gen.OneOf(Gen.Int[-9, 9], Gen.Int[-FrameHeader.MaxLength, FrameHeader.MaxLength]))
            .Sample((layout, isBfloat16, seed, more) =>
            {
                using var pool = new VectorPool(layout);
                var into = RandomBits(pool, seed);
                var before = into.GetSpan().ToArray();
                for (var slice = 0; slice < layout.Slices; slice++)
                {
                    var length = layout.WireBytesOf(slice, isBfloat16) + more;
                    if (more == 0 || length < 0) continue;
                    Assert.Throws<ArgumentOutOfRangeException>(() => new WireFormat(isBfloat16).Read(new byte[length], slice, into));
                }
                Assert.Equal(before, into.GetSpan().ToArray());
            });

    [Fact]
    public void Without_rounding_the_vector_itself_is_sent() => _layout.Sample(layout =>
    {
        using var pool = new VectorPool(layout);
        var copies = new WireCopies(new(IsBfloat16: false), pool);
        var vector = pool.Rent();
        for (var slice = 0; slice < layout.Slices; slice++)
        {
            var (bytes, owner) = copies.Of(vector, slice);
            Assert.Same(vector, owner);
            Assert.True(bytes.Span.Overlaps(vector.SliceMemory(slice).Span, out var offset) && offset == 0);
        }
        copies.Clear();
        Assert.False(vector.IsShared);
        vector.Release();
        Assert.Same(vector, pool.Rent());
    });

    [Fact]
    public void One_copy_serves_all_slices_and_peers_and_returns_to_the_pool_after_the_last_one() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int).Sample((vectors, peers, seed) =>
        {
            var layout = new VectorLayout(2 * VectorLayout.SliceFloats + 5, 2);
            var buffers = new PooledBuffers(layout);
            using var pool = buffers.Pool;
            // Rent all buffers first, so that every rented one is known.
            foreach (var known in Enumerable.Range(0, 2 * vectors).Select(_ => buffers.Rent()).ToList()) known.Release();
            var copies = new WireCopies(new(IsBfloat16: true), pool);
            var order = new Random(seed);
            for (var round = 0; round < 3; round++)
            {
                var sums = Enumerable.Range(0, vectors).Select(_ => buffers.Rent()).ToArray();
                foreach (var sum in sums) sum.Floats.Fill(order.Next(1000));
                var owners = new Dictionary<VectorBuffer, VectorBuffer>(ReferenceEqualityComparer.Instance);
                var onTheWay = new List<(ReadOnlyMemory<byte> Bytes, VectorBuffer Owner, float Number)>();
                var slices = sums.SelectMany(_ => Enumerable.Range(0, layout.TallySlice), (sum, slice) => (sum, slice)).ToArray();
                order.Shuffle(slices);
                foreach (var (sum, slice) in slices)
                {
                    for (var peer = 0; peer < peers; peer++)
                    {
                        var (bytes, owner) = copies.Of(sum, slice);
                        Assert.Same(owner, owners.TryGetValue(sum, out var known) ? known : owners[sum] = owner);
                        onTheWay.Add((bytes, owner.Hold(), sum.Floats[0]));
                    }
                }
                Assert.Equal(vectors, owners.Values.Distinct().Count());
                Assert.Empty(owners.Values.Intersect(sums));
                foreach (var sum in sums) sum.Release();
                copies.Clear();
                foreach (var (bytes, owner, number) in onTheWay)
                {
                    foreach (var upper in MemoryMarshal.Cast<byte, ushort>(bytes.Span))
                        Assert.Equal(Rounded(number), BitConverter.UInt32BitsToSingle((uint)upper << 16));
                    owner.Release();
                }
                buffers.AssertAllReturned();
            }
        }, iter: 20);

    [Fact]
    public void A_vector_sent_again_in_another_round_is_rounded_again()
    {
        using var pool = new VectorPool(new(5, 1));
        var copies = new WireCopies(new(IsBfloat16: true), pool);
        var vector = pool.Rent();
        for (var number = 0; number < 10; number++)
        {
            vector.Floats.Fill(number);
            var sent = MemoryMarshal.Cast<byte, ushort>(copies.Of(vector, 0).Bytes.Span).ToArray();
            Assert.Equal(Enumerable.Repeat((float)number, 5), sent.Select(upper => BitConverter.UInt32BitsToSingle((uint)upper << 16)));
            copies.Clear();
        }
    }

    /// <summary>To the nearest number with 8 bits of precision, ties to even.</summary>
    private static float Rounded(float number)
    {
        var bits = BitConverter.SingleToUInt32Bits(number);
        if (float.IsNaN(number)) return BitConverter.UInt32BitsToSingle((bits | 0x0040_0000) & 0xFFFF_0000);
        var (upper, lower) = (bits >> 16, bits & 0xFFFF);
        if (lower > 0x8000 || (lower == 0x8000 && upper % 2 == 1)) upper++;
        return BitConverter.UInt32BitsToSingle(upper << 16);
    }

    /// <summary>Subnormal and infinite numbers and NaN too.</summary>
    private static VectorBuffer RandomBits(VectorPool pool, int seed)
    {
        var buffer = pool.Rent();
        new Random(seed).NextBytes(buffer.GetSpan());
        return buffer;
    }

    private static byte[] Bits<T>(Span<T> numbers) where T : struct => MemoryMarshal.AsBytes(numbers).ToArray();
}
