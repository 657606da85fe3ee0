using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>One peer, the pipe to it, and what waits to be sent. Belongs to its <see cref="TensorLinks"/>; touched under their gate.</summary>
internal sealed class TensorLink
{
    // By priority, the highest first.
    private readonly FrameQueue[] _queues = [new(), new(), new()];
    private int _sending;

    internal TensorLink(string peer) => Peer = peer;

    /// <summary>Id of the process at the other end.</summary>
    public string Peer { get; }

    /// <summary>Number of the peer in the plan in force, for whoever handles its frames.</summary>
    public int Index { get; set; } = -1;

    /// <summary>Whether frames can move now; before, they wait.</summary>
    public bool IsOpen => Pipe is not null;

    public bool IsClosed { get; internal set; }

    internal IFramePipe? Pipe { get; set; }

    /// <summary>What the thread of the links sleeps on; -1 while it is awake.</summary>
    internal short Polled { get; set; } = -1;

    internal int PollIndex { get; set; }

    /// <summary>Whether its next frame was left where it is.</summary>
    internal bool IsHeld { get; set; }

    internal bool HasOutgoing => Waiting > 0;

    internal bool IsTooLong => Waiting > TensorLinks.MaxQueuedFrames;

    /// <summary>Whether something waits that leaves when nothing else does.</summary>
    public bool HasBackground => _queues[^1].Count > 0;

    internal void Add(in OutgoingFrame frame, FramePriority priority) => _queues[(int)FramePriority.Urgent - (int)priority].Add(frame);

    /// <summary>The frame to send next, at the head of its queue. One of which a part has left stays the next.</summary>
    /// <param name="isIdle">Whether nothing else is to be moved, on whatever link.</param>
    /// <returns>Null where nothing may leave now.</returns>
    internal FrameQueue? Next(bool isIdle)
    {
        if (!Pipe!.IsMidFrame) _sending = _queues[0].Count > 0 ? 0 : _queues[1].Count > 0 || !isIdle ? 1 : 2;
        return _queues[_sending] is { Count: > 0 } next ? next : null;
    }

    /// <summary>What to sleep on. Where somebody else moves the frames, only the end of a connection is of interest.</summary>
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

    private int Waiting => _queues[0].Count + _queues[1].Count + _queues[2].Count;
}
