using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>Memory of one slice of a sum, outside the garbage collector's heap, used again and again.</summary>
internal sealed unsafe class SliceBlock
{
    private const int Alignment = 64;

    private SliceBlock(int bytes) => Start = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);

    /// <summary>The place of a slice in a vector; none yet.</summary>
    public SliceBlock() => IsPlace = true;

    public byte* Start { get; private set; }

    /// <summary>Whether it lies in a vector, and belongs to no pool.</summary>
    public bool IsPlace { get; }

    /// <summary>Of a place: whether no sum lies there.</summary>
    public bool IsFree { get; set; }

    /// <summary>Moves a place; it is free.</summary>
    public void MoveTo(nint start)
    {
        Start = (byte*)start;
        IsFree = true;
    }

    /// <summary>Blocks that are not in use. Not safe from several threads at a time.</summary>
    internal sealed class Pool(VectorLayout layout) : IDisposable
    {
        private readonly int _bytes = Math.Max(VectorLayout.SliceFloats * sizeof(float), layout.BytesOf(layout.TallySlice).Length);
        private readonly Stack<SliceBlock> _free = [];

        public SliceBlock Rent() => _free.TryPop(out var block) ? block : new(_bytes);

        public void Return(SliceBlock block) => _free.Push(block);

        public void Dispose()
        {
            while (_free.TryPop(out var block))
            {
                NativeMemory.AlignedFree(block.Start);
                block.Start = null;
            }
        }
    }
}
