using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>Owns the memory behind frames in a queue. Called from any thread; must not wait.</summary>
internal interface IFrameOwner
{
    void Hold();

    void Release();
}

// The native memory of one contribution, aligned to a cache line, with a reference count: every part that computes, sends or receives it
// holds it, and it returns to its pool when the last one releases it.
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
        throw new InvalidOperationException(
            $"memory for vectors must be aligned to {VectorPool.Alignment} bytes; {storage.Address:x} is not");
    }

    public IVectorMemory Storage { get; }
    public VectorLayout Layout => _pool.Layout;

    /// <summary>Whether more than one user holds it, so that it must not be changed.</summary>
    public bool IsShared => Volatile.Read(ref _users) > 1;

    public Span<float> Floats => MemoryMarshal.Cast<byte, float>(GetSpan()[..(Layout.Floats * sizeof(float))]);
    public Span<double> Tallies => MemoryMarshal.Cast<byte, double>(SpanOf(Layout.TallySlice));

    public Memory<byte> SliceMemory(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return Memory.Slice(offset, length);
    }

    /// <summary>The numbers of a slice that is not the tally slice.</summary>
    public Span<float> FloatsAt(int slice) => MemoryMarshal.Cast<byte, float>(SpanOf(slice));

    public VectorBuffer Hold()
    {
        if (Interlocked.Increment(ref _users) > 1) return this;
        // Restored, or the next release would return the buffer to its pool a second time.
        Interlocked.Decrement(ref _users);
        throw new InvalidOperationException("a buffer without users cannot be held");
    }

    void IFrameOwner.Hold() => Hold();

    public VectorBuffer Copy()
    {
        var copy = _pool.Rent();
        GetSpan().CopyTo(copy.GetSpan());
        return copy;
    }

    public void Release()
    {
        var left = Interlocked.Decrement(ref _users);
        if (left == 0) _pool.Return(this);
        if (left >= 0) return;
        Interlocked.Increment(ref _users);
        throw new InvalidOperationException("a buffer was released more often than held");
    }

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

    private Span<byte> SpanOf(int slice)
    {
        var (offset, length) = Layout.BytesOf(slice);
        return GetSpan().Slice(offset, length);
    }
}

/// <summary>Elementwise IEEE additions, float32 slices in float32 and tallies in float64: the same bits, vectorized or not.</summary>
internal static class VectorSums
{
    public static void Add(VectorBuffer into, VectorBuffer from, int slice)
    {
        if (slice == into.Layout.TallySlice) TensorPrimitives.Add(into.Tallies, from.Tallies, into.Tallies);
        else TensorPrimitives.Add(into.FloatsAt(slice), from.FloatsAt(slice), into.FloatsAt(slice));
    }
}

internal interface IVectorMemory : IDisposable
{
    /// <summary>A multiple of <see cref="VectorPool.Alignment"/>.</summary>
    nint Address { get; }
}

/// <summary>Recycles buffers of one layout. It grows to the largest number that a round needs.</summary>
/// <param name="allocate">Allocates <see cref="VectorLayout.Bytes"/> bytes, on the thread that rents; plain memory if null.</param>
internal sealed class VectorPool(VectorLayout layout, Func<VectorLayout, IVectorMemory>? allocate = null) : IDisposable
{
    // A cache line.
    public const int Alignment = 64;

    private readonly Stack<VectorBuffer> _free = [];
    private readonly Lock _lock = new();
    private bool _disposed;

    public VectorLayout Layout => layout;

    /// <summary>A buffer with one user and undefined contents: the last one that was returned, which a cache may still hold.</summary>
    public VectorBuffer Rent()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.TryPop(out var buffer)) return buffer.Rent();
        }
        return new VectorBuffer(this, allocate?.Invoke(layout) ?? new PlainMemory(layout)).Rent();
    }

    /// <summary>Frees the buffers; buffers with users are freed when they are released.</summary>
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
