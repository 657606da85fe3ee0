using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class VectorBufferTests
{
    private static readonly Gen<VectorLayout> _anyLayout =
        from floats in Gen.OneOf(Gen.Int[0, 40], Gen.Int[VectorLayout.SliceFloats - 2, 2 * VectorLayout.SliceFloats + 2])
        from tallies in Gen.Int[1, 9]
        select new VectorLayout(floats, tallies);

    [Fact]
    public void The_vector_is_aligned_to_a_cache_line_and_the_tallies_to_their_size() => _anyLayout.Sample(layout =>
    {
        using var pool = new VectorPool(layout);
        var buffer = pool.Rent();
        Assert.Equal(0, AddressOf(buffer.GetSpan()) % 64);
        Assert.Equal(0, AddressOf(buffer.Tallies) % sizeof(double));
        buffer.Release();
    });

    [Fact]
    public void A_copy_has_the_contents_and_one_user_of_its_own() => _anyLayout.Sample(layout =>
    {
        using var pool = new VectorPool(layout);
        var buffer = pool.Rent();
        new Random(layout.Floats).NextBytes(buffer.GetSpan());
        byte[] contents = [.. buffer.GetSpan()];
        var copy = buffer.Copy();
        buffer.GetSpan().Clear();
        Assert.Equal(contents, copy.GetSpan().ToArray());
        buffer.Release();
        copy.Release();
        Assert.Same(copy, pool.Rent());
        Assert.Same(buffer, pool.Rent());
    }, iter: 20);

    [Fact]
    public void The_slices_are_the_vector_and_the_tallies_with_no_overlap() => _anyLayout.Sample(layout =>
    {
        using var pool = new VectorPool(layout);
        var buffer = pool.Rent();
        for (var slice = 0; slice < layout.Slices; slice++) buffer.SliceMemory(slice).Span.Fill((byte)(slice + 1));
        for (var i = 0; i < layout.Floats; i++)
            Assert.Equal(0x01010101 * (i / VectorLayout.SliceFloats + 1), BitConverter.SingleToInt32Bits(buffer.Floats[i]));
        foreach (var tally in buffer.Tallies) Assert.Equal(0x0101010101010101 * layout.Slices, BitConverter.DoubleToInt64Bits(tally));
        for (var slice = 0; slice < layout.TallySlice; slice++)
            Assert.True(buffer.FloatsAt(slice) == buffer.Floats.Slice(slice * VectorLayout.SliceFloats, buffer.FloatsAt(slice).Length));
        Assert.Equal((layout.Floats, layout.Tallies), (buffer.Floats.Length, buffer.Tallies.Length));
        buffer.Release();
    }, iter: 20);

    [Fact]
    public void A_slice_that_the_layout_lacks_has_no_memory()
    {
        using var pool = new VectorPool(new(10, 1));
        var buffer = pool.Rent();
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.SliceMemory(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.SliceMemory(-1));
        buffer.Release();
    }

    [Fact]
    public void A_buffer_returns_to_its_pool_when_its_last_user_releases_it() => Gen.Int[0, 20].Sample(holds =>
    {
        using var pool = new VectorPool(new(8, 1));
        var buffer = pool.Rent();
        for (var i = 0; i < holds; i++) Assert.Same(buffer, buffer.Hold());
        for (var i = 0; i < holds; i++)
        {
            buffer.Release();
            Assert.NotSame(buffer, pool.Rent());
        }
        buffer.Release();
        Assert.Same(buffer, pool.Rent());
    });

    [Fact]
    public void Hold_and_release_of_a_buffer_without_users_are_refused_and_change_nothing() =>
        Gen.Bool.Array[0, 8].Sample(attempts =>
        {
            using var pool = new VectorPool(new(8, 1));
            var buffer = pool.Rent();
            buffer.Release();
            foreach (var isHold in attempts)
                Assert.Throws<InvalidOperationException>(() => { if (isHold) buffer.Hold(); else buffer.Release(); });
            // Once in the pool, not twice: two users of one buffer would overwrite each other.
            Assert.Same(buffer, pool.Rent());
            Assert.NotSame(buffer, pool.Rent());
        });

    [Fact]
    public void Users_on_many_threads_return_a_buffer_once()
    {
        var rented = new PooledBuffers(new(8, 1));
        using (rented.Pool)
        {
            for (var i = 0; i < 200; i++)
            {
                var buffer = rented.Rent();
                Parallel.For(0, 8, _ => buffer.Hold().Release());
                buffer.Release();
            }
            rented.AssertAllReturned();
        }
    }

    private static nint AddressOf<T>(Span<T> span) =>
        Unsafe.ByteOffset(ref Unsafe.NullRef<byte>(), ref Unsafe.As<T, byte>(ref MemoryMarshal.GetReference(span)));
}
