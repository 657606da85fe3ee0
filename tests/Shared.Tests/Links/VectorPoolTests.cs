using Distributed.Shared.Links;

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
}
