using System.Buffers;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>
/// The memory of one contribution, outside the garbage collector's heap and aligned to a cache line, with a count of its
/// users: whoever computes, sends or receives it holds it, and it goes back to its pool when the last one lets go.
/// </summary>
internal sealed unsafe class VectorBuffer : MemoryManager<byte>, IFrameOwner
{
    private readonly VectorPool _pool;
    private byte* _start;
    private int _users;

    internal VectorBuffer(VectorPool pool, IVectorMemory storage)
    {
        (_pool, Storage) = (pool, storage);
        _start = (byte*)storage.Address;
        if (storage.Address % VectorPool.Alignment == 0) return;
        storage.Dispose();
        throw new InvalidOperationException($"memory for vectors must be aligned to {VectorPool.Alignment} bytes; {storage.Address:x} is not");
    }

    /// <summary>What the memory is, to whoever allocated it.</summary>
    public IVectorMemory Storage { get; }

    public VectorLayout Layout => _pool.Layout;

    /// <summary>Whether more than one user holds it, so that it must not be changed.</summary>
    public bool IsShared => Volatile.Read(ref _users) > 1;

    /// <summary>The float vector.</summary>
    public Span<float> Floats => MemoryMarshal.Cast<byte, float>(GetSpan()[..(Layout.Floats * sizeof(float))]);

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

    public VectorBuffer Hold()
    {
        if (Interlocked.Increment(ref _users) > 1) return this;
        // A failed hold leaves no trace, or the next release would put the buffer into its pool a second time.
        Interlocked.Decrement(ref _users);
        throw new InvalidOperationException("a buffer that nobody holds cannot be shared");
    }

    void IFrameOwner.Hold() => Hold();

    /// <summary>A buffer of the same pool with the same contents and one user.</summary>
    public VectorBuffer Copy()
    {
        var copy = _pool.Rent();
        GetSpan().CopyTo(copy.GetSpan());
        return copy;
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

    /// <exception cref="ObjectDisposedException">Nobody holds it and its pool is gone.</exception>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_start == null, this);
        return new(_start, Layout.Bytes);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin() { }

    internal VectorBuffer Rent()
    {
        _users = 1;
        return this;
    }

    internal void Free() => ((IDisposable)this).Dispose();

    protected override void Dispose(bool disposing)
    {
        Storage.Dispose();
        _start = null;
    }

    private Span<double> TalliesAt(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return MemoryMarshal.Cast<byte, double>(GetSpan().Slice(offset, length));
    }
}

/// <summary>The memory of one vector: fixed, and freed by disposing.</summary>
internal interface IVectorMemory : IDisposable
{
    /// <summary>Address of its first byte, a multiple of <see cref="VectorPool.Alignment"/>.</summary>
    nint Address { get; }
}

/// <summary>Buffers of one layout, used again and again. It holds as many as a round needed at most.</summary>
/// <param name="layout">How a vector lies in each of them.</param>
/// <param name="allocate">Makes the memory of one of them: <see cref="VectorLayout.Bytes"/> long, from whichever thread rents. Plain memory where null.</param>
internal sealed class VectorPool(VectorLayout layout, Func<VectorLayout, IVectorMemory>? allocate = null) : IDisposable
{
    /// <summary>Bytes to which the memory of a vector is aligned: a cache line.</summary>
    public const int Alignment = 64;

    private readonly Stack<VectorBuffer> _free = [];
    private readonly Lock _lock = new();
    private bool _disposed;

    public VectorLayout Layout => layout;

    /// <summary>A buffer with one user and with contents of no meaning: of the free ones the last used, which a cache may still hold.</summary>
    public VectorBuffer Rent()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.TryPop(out var buffer)) return buffer.Rent();
        }
        return new VectorBuffer(this, allocate?.Invoke(layout) ?? new PlainMemory(layout)).Rent();
    }

    /// <summary>Frees the buffers; those still held are freed when they are released.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            while (_free.TryPop(out var buffer)) buffer.Free();
        }
    }

    internal void Return(VectorBuffer buffer)
    {
        lock (_lock)
        {
            if (_disposed) buffer.Free();
            else _free.Push(buffer);
        }
    }

    private sealed unsafe class PlainMemory(VectorLayout layout) : IVectorMemory
    {
        public nint Address { get; private set; } = (nint)NativeMemory.AlignedAlloc((nuint)layout.Bytes, Alignment);

        public void Dispose()
        {
            NativeMemory.AlignedFree((void*)Address);
            Address = 0;
        }
    }
}
