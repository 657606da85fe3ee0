using System.Runtime.InteropServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Worker.Tests.Links;

/// <summary>A pool that counts the buffers it has made, and checks that each of them was returned exactly once.</summary>
internal sealed class CountedPool : IDisposable
{
    private int _made;

    public CountedPool(VectorLayout layout) => Pool = new(layout, Make);

    public VectorPool Pool { get; }

    /// <summary>Fails if a buffer is still held, or is in the pool twice.</summary>
    public void AssertAllReturned()
    {
        var made = _made;
        var again = Enumerable.Range(0, made).Select(_ => Pool.Rent()).ToList();
        Assert.True(_made == made, $"{_made - made} of {made} buffers were not returned");
        Assert.Equal(made, again.Distinct().Count());
        again.ForEach(buffer => buffer.Release());
    }

    public void Dispose() => Pool.Dispose();

    private PlainMemory Make(VectorLayout layout)
    {
        Interlocked.Increment(ref _made);
        return new(layout.Bytes);
    }

    private sealed unsafe class PlainMemory(int bytes) : IVectorMemory
    {
        public nint Address { get; private set; } = (nint)NativeMemory.AlignedAlloc((nuint)bytes, VectorPool.Alignment);

        public void Dispose()
        {
            NativeMemory.AlignedFree((void*)Address);
            Address = 0;
        }
    }
}
