using System.Runtime.InteropServices;
using Distributed.Shared.Kernel;

namespace Distributed.Shared.Links;

/// <summary>Memory of one slice, outside the garbage collector's heap, used again and again.</summary>
internal sealed unsafe class SliceBlock
{
    private const int Alignment = 64;

    private SliceBlock(int bytes) => Start = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, Alignment);

    public byte* Start { get; private set; }

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
