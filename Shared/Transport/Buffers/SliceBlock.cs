using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>Native memory of one slice of a sum: a block of a pool, or the place of the slice in a vector.</summary>
internal sealed unsafe class SliceBlock
{
    private const int Alignment = 64;

    private SliceBlock(int bytes) => Start = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
    public SliceBlock() => IsPlace = true;

    public byte* Start { get; private set; }
    public bool IsPlace { get; }
    public bool IsFree { get; set; }

    public void MoveTo(nint start)
    {
        Start = (byte*)start;
        IsFree = true;
    }

    // Used by one thread at a time.
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
