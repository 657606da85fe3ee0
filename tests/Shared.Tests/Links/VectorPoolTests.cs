using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class VectorPoolTests
{
    [Fact]
    public void A_pool_holds_no_more_buffers_than_were_used_at_once() => Gen.Int[1, 9].Array[1, 20].Sample(rounds =>
    {
        using var pool = new VectorPool(new(8, 1));
        var seen = new HashSet<VectorBuffer>(ReferenceEqualityComparer.Instance);
        foreach (var count in rounds)
        {
            var buffers = Enumerable.Range(0, count).Select(_ => pool.Rent()).ToList();
            Assert.Equal(count, buffers.ToHashSet(ReferenceEqualityComparer.Instance).Count);
            seen.UnionWith(buffers);
            buffers.ForEach(b => b.Release());
        }
        Assert.Equal(rounds.Max(), seen.Count);
    });

    [Fact]
    public void A_buffer_that_is_held_outlives_its_pool_and_is_freed_on_release()
    {
        var pool = new VectorPool(new(8, 1));
        var buffer = pool.Rent();
        pool.Dispose();
        buffer.Floats.Fill(1);
        Assert.Equal(1, buffer.Floats[7]);
        buffer.Release();
        Assert.Throws<ObjectDisposedException>(() => buffer.GetSpan());
    }

    [Fact]
    public void A_disposed_pool_frees_what_it_holds_and_rents_nothing()
    {
        var pool = new VectorPool(new(8, 1));
        var buffer = pool.Rent();
        buffer.Release();
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.GetSpan());
        Assert.Throws<ObjectDisposedException>(pool.Rent);
    }

    [Fact]
    public void Memory_is_allocated_by_the_given_function_and_freed_once() => Gen.Int[1, 6].Sample(count =>
    {
        var layout = new VectorLayout(8, 1);
        List<CountedMemory> allocated = [];
        var pool = new VectorPool(layout, asked =>
        {
            Assert.Same(layout, asked);
            allocated.Add(new());
            return allocated[^1];
        });
        var buffers = Enumerable.Range(0, count).Select(_ => pool.Rent()).ToList();
        buffers[0].Floats[7] = 7;

        Assert.Equal(allocated, buffers.Select(b => b.Storage));
        Assert.Equal(7, BitConverter.ToSingle(allocated[0].Bytes.Span[(7 * sizeof(float))..]));
        buffers[0].Release();
        pool.Dispose();
        Assert.Equal(1, allocated.Sum(memory => memory.Freed));
        foreach (var buffer in buffers.Skip(1)) buffer.Release();
        Assert.All(allocated, memory => Assert.Equal(1, memory.Freed));
    }, iter: 20);

    [Fact]
    public void Memory_that_is_not_aligned_is_refused_and_freed()
    {
        var memory = new CountedMemory { Offset = 8 };
        using var pool = new VectorPool(new(8, 1), _ => memory);

        Assert.Contains("aligned to 64 bytes", Assert.Throws<InvalidOperationException>(pool.Rent).Message, StringComparison.Ordinal);
        Assert.Equal(1, memory.Freed);
    }

    [Fact]
    public void Renting_again_allocates_nothing()
    {
        using var pool = new VectorPool(new(8, 1));
        pool.Rent().Release();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) pool.Rent().Release();

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>Pinned memory of the garbage collector that counts how often it is freed.</summary>
    private sealed class CountedMemory : IVectorMemory
    {
        private readonly byte[] _bytes = GC.AllocateArray<byte>(256, pinned: true);

        public int Offset { get; init; }

        public int Freed { get; private set; }

        public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(Start);

        public nint Address => Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, Start) + Offset;

        private int Start => (int)(-Marshal.UnsafeAddrOfPinnedArrayElement(_bytes, 0) & (VectorPool.Alignment - 1));

        public void Dispose() => Freed++;
    }
}
