namespace Distributed.Shared.Links;

/// <summary>One peer, the pipe to it, and what waits to be sent. Belongs to its <see cref="TensorLinks"/>; touched under their gate.</summary>
public sealed class TensorLink
{
    private readonly FrameQueue _urgent = new();
    private readonly FrameQueue _bulk = new();
    private bool _isSendingUrgent;

    internal TensorLink(string peer) => Peer = peer;

    /// <summary>Id of the process at the other end.</summary>
    public string Peer { get; }

    /// <summary>Number of the peer in the plan in force, for whoever handles its frames.</summary>
    public int Index { get; set; } = -1;

    /// <summary>Whether frames can move now; before, they wait.</summary>
    public bool IsOpen => Pipe is not null;

    /// <summary>Whether it is closed for good.</summary>
    public bool IsClosed { get; internal set; }

    internal IFramePipe? Pipe { get; set; }

    /// <summary>What the thread of the links sleeps on; -1 while it is awake.</summary>
    internal short Polled { get; set; } = -1;

    internal int PollIndex { get; set; }

    /// <summary>Whether its next frame was left where it is.</summary>
    internal bool IsHeld { get; set; }

    internal bool HasOutgoing => _urgent.Count + _bulk.Count > 0;

    internal bool IsTooLong => _urgent.Count + _bulk.Count > TensorLinks.MaxQueuedFrames;

    internal void Add(in OutgoingFrame frame, bool isUrgent) => (isUrgent ? _urgent : _bulk).Add(frame);

    /// <summary>The next frame to send. One of which a part has left stays the next.</summary>
    internal FrameQueue Next()
    {
        if (Pipe!.IsMidFrame) return _isSendingUrgent ? _urgent : _bulk;
        _isSendingUrgent = _urgent.Count > 0;
        return _isSendingUrgent ? _urgent : _bulk;
    }

    /// <summary>What to sleep on. Where somebody else moves the frames, only the end of a connection is of interest.</summary>
    internal short PollEvents(bool isHelped) => Pipe!.PollEvents(!isHelped && !IsHeld, !isHelped && HasOutgoing);

    internal void DropOlderThan(int generation)
    {
        var isMidFrame = Pipe is { IsMidFrame: true };
        _urgent.DropOlderThan(generation, isMidFrame && _isSendingUrgent);
        _bulk.DropOlderThan(generation, isMidFrame && !_isSendingUrgent);
    }

    internal void DropAll()
    {
        while (_urgent.Count > 0) _urgent.RemoveFirst();
        while (_bulk.Count > 0) _bulk.RemoveFirst();
    }

}
