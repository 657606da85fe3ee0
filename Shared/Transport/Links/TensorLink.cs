using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>The order in which queued frames leave.</summary>
public enum FramePriority
{
    /// <summary>When nothing else can be moved on any link: training does not wait for it.</summary>
    Background,
    /// <summary>In order.</summary>
    Normal,
    /// <summary>Before the other frames of its link: the peer waits for it.</summary>
    Urgent,
}

/// <param name="Payload">Must not change before it is sent.</param>
/// <param name="Owner">Owns the memory behind the payload; held until it is sent.</param>
internal readonly record struct OutgoingFrame(FrameHeader Header, ReadOnlyMemory<byte> Payload, IFrameOwner? Owner);

/// <summary>A first-in, first-out queue that grows to the size that a round needs and then allocates nothing.</summary>
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

    /// <param name="keepFirst">Whether the first frame stays, since a part of it was sent.</param>
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

/// <summary>One peer, the pipe to it, and the queued frames. Used under the gate of its <see cref="TensorLinks"/>.</summary>
internal sealed class TensorLink
{
    // By priority, the highest first.
    private readonly FrameQueue[] _queues = [new(), new(), new()];
    private int _sending;

    internal TensorLink(string peer) => Peer = peer;

    public string Peer { get; }

    /// <summary>Number of the peer in the plan in force, set by the frame handler.</summary>
    public int Index { get; set; } = -1;

    public bool IsOpen => Pipe is not null;
    public bool IsClosed { get; internal set; }
    internal IFramePipe? Pipe { get; set; }

    /// <summary>The poll events on which the thread of the links sleeps; -1 while it is awake.</summary>
    internal short Polled { get; set; } = -1;

    internal int PollIndex { get; set; }

    /// <summary>Whether its next frame was early and stays in the pipe.</summary>
    internal bool IsHeld { get; set; }

    internal bool HasOutgoing => Waiting > 0;
    internal bool IsTooLong => Waiting > TensorLinks.MaxQueuedFrames;
    internal bool HasBackground => _queues[^1].Count > 0;
    private int Waiting => _queues[0].Count + _queues[1].Count + _queues[2].Count;

    internal void Add(in OutgoingFrame frame, FramePriority priority) => _queues[(int)FramePriority.Urgent - (int)priority].Add(frame);

    /// <summary>The queue whose first frame to send next: the same one until that frame is sent whole.</summary>
    /// <param name="isIdle">Whether nothing else can be moved on any link, so that a background frame may leave.</param>
    internal FrameQueue? Next(bool isIdle)
    {
        if (!Pipe!.IsMidFrame) _sending = _queues[0].Count > 0 ? 0 : _queues[1].Count > 0 || !isIdle ? 1 : 2;
        return _queues[_sending] is { Count: > 0 } next ? next : null;
    }

    /// <param name="isHelped">Whether another thread moves the frames, so that only the end of the connection matters.</param>
    internal short PollEvents(bool isHelped) => Pipe!.PollEvents(!isHelped && !IsHeld, !isHelped && HasOutgoing);

    internal void DropOlderThan(int generation)
    {
        var isMidFrame = Pipe is { IsMidFrame: true };
        for (var i = 0; i < _queues.Length; i++) _queues[i].DropOlderThan(generation, isMidFrame && i == _sending);
    }

    internal void DropAll()
    {
        foreach (var queue in _queues)
            while (queue.Count > 0) queue.RemoveFirst();
    }
}
