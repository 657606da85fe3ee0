using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Distributed.Shared.Kernel;

namespace Distributed.Shared.Links;

/// <summary>
/// The memory of one contribution, outside the garbage collector's heap and aligned to a cache line, with a count of its
/// users: whoever computes, sends or receives it holds it, and it goes back to its pool when the last one lets go.
/// </summary>
public sealed unsafe class VectorBuffer : MemoryManager<byte>
{
    private const int Alignment = 64;

    private readonly VectorPool _pool;
    private byte* _start;
    private int _users;

    internal VectorBuffer(VectorPool pool)
    {
        _pool = pool;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)pool.Layout.Bytes, Alignment);
    }

    /// <summary>How the vector lies in it.</summary>
    public VectorLayout Layout => _pool.Layout;

    /// <summary>Whether more than one user holds it, so that it must not be changed.</summary>
    public bool IsShared => Volatile.Read(ref _users) > 1;

    /// <summary>The float vector.</summary>
    public Span<float> Floats => MemoryMarshal.Cast<byte, float>(GetSpan()[..(Layout.Floats * sizeof(float))]);

    /// <summary>The tallies.</summary>
    public Span<double> Tallies => TalliesAt(Layout.TallySlice);

    /// <summary>The bytes of a slice.</summary>
    public Memory<byte> SliceMemory(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return Memory.Slice(offset, length);
    }

    /// <summary>The numbers of a slice that is not the tally slice.</summary>
    public Span<float> FloatsAt(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return MemoryMarshal.Cast<byte, float>(GetSpan().Slice(offset, length));
    }

    /// <summary>One more user.</summary>
    public VectorBuffer Hold()
    {
        if (Interlocked.Increment(ref _users) > 1) return this;
        // A failed hold leaves no trace, or the next release would put the buffer into its pool a second time.
        Interlocked.Decrement(ref _users);
        throw new InvalidOperationException("a buffer that nobody holds cannot be shared");
    }

    /// <summary>One user less; the last one gives it back to the pool.</summary>
    public void Release()
    {
        var left = Interlocked.Decrement(ref _users);
        if (left == 0) _pool.Return(this);
        if (left >= 0) return;
        Interlocked.Increment(ref _users);
        throw new InvalidOperationException("a buffer was released more often than held");
    }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">Nobody holds it and its pool is gone.</exception>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_start == null, this);
        return new(_start, Layout.Bytes);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    /// <inheritdoc/>
    public override void Unpin() { }

    internal VectorBuffer Rent()
    {
        _users = 1;
        return this;
    }

    internal void Free() => ((IDisposable)this).Dispose();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        NativeMemory.AlignedFree(_start);
        _start = null;
    }

    private Span<double> TalliesAt(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return MemoryMarshal.Cast<byte, double>(GetSpan().Slice(offset, length));
    }
}

/// <summary>Buffers of one layout, used again and again. It holds as many as a round needed at most.</summary>
public sealed class VectorPool(VectorLayout layout) : IDisposable
{
    private readonly ConcurrentBag<VectorBuffer> _free = [];
    private volatile bool _disposed;

    /// <summary>The layout of its buffers.</summary>
    public VectorLayout Layout => layout;

    /// <summary>A buffer with one user and with contents of no meaning.</summary>
    public VectorBuffer Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return (_free.TryTake(out var buffer) ? buffer : new(this)).Rent();
    }

    /// <summary>Frees the buffers; those still held are freed when they are released.</summary>
    public void Dispose()
    {
        _disposed = true;
        while (_free.TryTake(out var buffer)) buffer.Free();
    }

    internal void Return(VectorBuffer buffer)
    {
        _free.Add(buffer);
        if (_disposed) Dispose();
    }
}
