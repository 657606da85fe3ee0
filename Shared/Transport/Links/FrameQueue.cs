using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Transport.Links;

/// <param name="Payload">Its payload; must not change before it is sent.</param>
/// <param name="Owner">Whoever owns the memory behind the payload; holds it until it is sent.</param>
internal readonly record struct OutgoingFrame(FrameHeader Header, ReadOnlyMemory<byte> Payload, IFrameOwner? Owner);

/// <summary>Frames in the order they are to leave. Grows to what a round needs and then allocates nothing.</summary>
internal sealed class FrameQueue
{
    private OutgoingFrame[] _frames = new OutgoingFrame[64];
    private int _first;

    public int Count { get; private set; }

    public ref readonly OutgoingFrame First => ref _frames[_first];

    public void Add(in OutgoingFrame frame)
    {
        if (Count == _frames.Length) Grow();
        _frames[(_first + Count) & (_frames.Length - 1)] = frame;
        Count++;
    }

    public void RemoveFirst()
    {
        _frames[_first].Owner?.Release();
        _frames[_first] = default;
        _first = (_first + 1) & (_frames.Length - 1);
        Count--;
    }

    /// <summary>Throws away what belongs to older generations, but for the first frame where it must stay.</summary>
    public void DropOlderThan(int generation, bool keepFirst)
    {
        for (var left = Count; left > 0; left--)
        {
            var frame = First;
            var isKept = keepFirst || frame.Header.Generation >= generation;
            keepFirst = false;
            if (isKept) frame.Owner?.Hold();
            RemoveFirst();
            if (isKept) Add(frame);
        }
    }

    private void Grow()
    {
        var larger = new OutgoingFrame[_frames.Length * 2];
        for (var i = 0; i < Count; i++) larger[i] = _frames[(_first + i) & (_frames.Length - 1)];
        (_frames, _first) = (larger, 0);
    }
}
