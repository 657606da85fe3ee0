using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>Who handles the frames of a process; always called under <see cref="TensorLinks.Gate"/>, must not wait.</summary>
internal interface ILinkHandler
{
    /// <summary>A frame has arrived whole. Its payload is there until this returns.</summary>
    /// <returns>False: it is not due yet; it stays where it is, and everything behind it.</returns>
    /// <exception cref="LinkException">It is against the rules: the link is closed with this reason.</exception>
    bool Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload);

    /// <summary>A link is closed, by the other end or because of what it sent; nothing comes any more.</summary>
    void Closed(TensorLink link, string reason);
}

/// <summary>
/// The links of a process. Frames are moved by whoever has nothing better to do: a thread that waits for what they bring
/// (<see cref="BeginHelp"/>), one that has just queued some (<see cref="Push"/>), else a thread of their own, which sleeps
/// while nothing can be moved. Everything happens under one gate; in steady state nothing is allocated.
/// </summary>
internal sealed class TensorLinks : IDisposable
{
    /// <summary>Frames that may wait for one peer: more than a round of the largest vector has.</summary>
    public const int MaxQueuedFrames = 1 << 16;

    /// <summary>Frames moved on one link before it is the next one's turn: what was added is sent on while it is in the cache.</summary>
    private const int Burst = 2;

    private readonly ILinkHandler _handler;
    private readonly ILinkMetrics? _metrics;
    private readonly List<TensorLink> _links = [];
    private readonly List<TensorLink> _closed = [];
    private readonly Poller _poller = new();
    private readonly Thread _thread;
    private bool _isHelped;
    private bool _isBusy;
    private bool _isArmed;
    private bool _isHandling;
    private volatile bool _isEnding;

    /// <param name="metrics">Counts bytes and refused frames.</param>
    public TensorLinks(ILinkHandler handler, ILinkMetrics? metrics)
    {
        (_handler, _metrics) = (handler, metrics);
        _thread = new(Run) { Name = "links", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Held for every call but <see cref="Dispose"/>, <see cref="BeginHelp"/> and <see cref="EndHelp"/>.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Bytes of contributions that have left, headers not counted.</summary>
    public long ContributionBytesSent { get; private set; }

    /// <summary>A link to a peer that is not connected yet: what is sent waits.</summary>
    public TensorLink Add(string peer)
    {
        var link = new TensorLink(peer);
        _links.Add(link);
        return link;
    }

    public void Open(TensorLink link, IFramePipe pipe)
    {
        if (_isEnding || link.IsClosed)
        {
            pipe.Dispose();
            return;
        }
        link.Pipe = pipe;
        _poller.Wake();
    }

    /// <summary>Queues a frame. After the link has closed, frames go nowhere.</summary>
    /// <param name="payload">As long as the header says.</param>
    /// <param name="owner">Whoever owns the memory behind it; holds it until it is sent.</param>
    public void Send(TensorLink link, in FrameHeader header, ReadOnlyMemory<byte> payload, IFrameOwner? owner = null,
        FramePriority priority = FramePriority.Normal)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, header.Length);
        if (link.IsClosed || _isEnding) return;
        owner?.Hold();
        link.Add(new(header, payload, owner), priority);
        if (link.IsTooLong) Close(link, $"more than {MaxQueuedFrames} frames wait for {link.Peer}");
    }

    /// <summary>Throws away what is queued under older generations.</summary>
    public void DropOlderThan(int generation)
    {
        foreach (var link in _links) link.DropOlderThan(generation);
    }

    /// <summary>Closes a link without telling the handler.</summary>
    public void Remove(TensorLink link)
    {
        if (link.IsClosed) return;
        link.IsClosed = true;
        link.DropAll();
        link.Pipe?.Dispose();
        link.Pipe = null;
        _closed.Add(link);
        // A thread asleep on it would keep the connection open.
        if (!_isEnding) _poller.Wake();
    }

    /// <summary>Takes the pipe out of a link that is to go on elsewhere; what of it was not received yet stays in it.</summary>
    /// <returns>Null where it is closed.</returns>
    public IFramePipe? Detach(TensorLink link)
    {
        if (link.Pipe is not { } pipe) return null;
        pipe.Disarm();
        link.Pipe = null;
        Remove(link);
        return pipe;
    }

    /// <summary>Closes a link and tells the handler why.</summary>
    public void Close(TensorLink link, string reason)
    {
        if (link.IsClosed) return;
        Remove(link);
        _handler.Closed(link, reason);
    }

    /// <summary>Sends and receives a few frames on each link, as far as they can be moved now.</summary>
    public bool Move()
    {
        if (_isArmed) Disarm();
        return MoveSome();
    }

    /// <summary>
    /// Sends what is queued as far as there is room now, and takes in what has come meanwhile; the rest leaves when there is room.
    /// </summary>
    public void Push()
    {
        // The frame that is handled is not released yet; whoever moves frames comes to what it has queued.
        if (_isHandling) return;
        var isToSettle = false;
        while (MoveSome()) isToSettle = true;
        foreach (var link in _links) isToSettle |= link is { IsOpen: true, HasOutgoing: true };
        if (isToSettle && !_isHelped) Settle();
    }

    /// <summary>From now on the caller moves the frames, by calling <see cref="Move"/> again and again.</summary>
    public void BeginHelp()
    {
        lock (Gate) _isHelped = true;
    }

    /// <summary>The caller has other things to do.</summary>
    /// <param name="isBusy">Whether it computes, and will look after the links now and then (<see cref="Push"/>): what comes may wait for that.</param>
    public void EndHelp(bool isBusy)
    {
        lock (Gate)
        {
            (_isHelped, _isBusy) = (false, isBusy);
            Settle();
        }
    }

    /// <summary>Closes all links, telling nobody.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (_isEnding) return;
            _isEnding = true;
        }
        _poller.Wake();
        if (Thread.CurrentThread != _thread) _thread.Join();
        lock (Gate)
        {
            foreach (var link in _links) Remove(link);
            Sweep();
            _poller.Dispose();
        }
    }

    private void Run()
    {
        while (!_isEnding)
        {
            lock (Gate)
            {
                if (!_isHelped && (Move() || !Arm())) continue;
                _poller.Clear();
                foreach (var link in _links)
                    if (link.Pipe is { } pipe) link.PollIndex = _poller.Add(pipe.Descriptor, link.Polled = link.PollEvents(_isHelped));
            }
            _poller.Wait(null);
            lock (Gate) NotePolled();
        }
    }

    private void NotePolled()
    {
        for (var i = 0; i < _links.Count; i++)
        {
            var link = _links[i];
            if (link.Polled < 0) continue;
            link.Polled = -1;
            try
            {
                link.Pipe?.Polled(_poller.Reported(link.PollIndex));
            }
            catch (LinkException error)
            {
                Fail(link, error);
            }
        }
        Sweep();
    }

    private bool MoveSome()
    {
        var hasMoved = false;
        for (var i = 0; i < _links.Count; i++) hasMoved |= MoveSome(_links[i], isIdle: false);
        var isIdle = !hasMoved;
        // What may wait leaves frame by frame, so that what may not is never more than one behind.
        for (var i = 0; isIdle && i < _links.Count; i++) hasMoved |= _links[i].HasBackground && MoveSome(_links[i], isIdle);
        Sweep();
        return hasMoved;
    }

    private bool MoveSome(TensorLink link, bool isIdle)
    {
        try
        {
            return isIdle ? SendSome(link, 1, isIdle) : SendSome(link, Burst, isIdle) | ReceiveSome(link);
        }
        catch (LinkException error)
        {
            Fail(link, error);
            return false;
        }
    }

    /// <summary>Closes a link; counts it where the other end has broken a rule, rather than gone away.</summary>
    private void Fail(TensorLink link, LinkException error)
    {
        if (!error.IsDisconnect) _metrics?.Violation();
        Close(link, error.Message);
    }

    private bool SendSome(TensorLink link, int most, bool isIdle)
    {
        var sent = 0;
        while (sent < most && link.Pipe is { } pipe && link.Next(isIdle) is { } queue)
        {
            ref readonly var frame = ref queue.First;
            if (!pipe.TrySend(frame.Header, frame.Payload.Span)) break;
            _metrics?.Sent(FrameHeader.Size + frame.Header.Length);
            if (frame.Header.Kind == FrameKind.Contribution) ContributionBytesSent += frame.Header.Length;
            queue.RemoveFirst();
            sent++;
        }
        return sent > 0;
    }

    private bool ReceiveSome(TensorLink link)
    {
        link.IsHeld = false;
        var received = 0;
        while (received < Burst && link.Pipe is { } pipe && pipe.TryReceive(out var header, out var payload))
        {
            if (!Receive(link, header, payload)) break;
            link.Pipe?.Release();
            _metrics?.Received(FrameHeader.Size + header.Length);
            received++;
        }
        return received > 0;
    }

    private bool Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        _isHandling = true;
        try
        {
            link.IsHeld = !_handler.Receive(link, header, payload);
            return !link.IsHeld;
        }
        // One frame that cannot be handled must not take the other links with it.
        catch (Exception error) when (error is not (OutOfMemoryException or LinkException))
        {
            throw new LinkException($"a frame from {link.Peer} could not be handled: {error.Message}", error);
        }
        finally
        {
            _isHandling = false;
        }
    }

    /// <summary>Asks every other end for a wake-up.</summary>
    /// <returns>False: there is something to move already.</returns>
    private bool Arm()
    {
        _isArmed = true;
        var canSleep = true;
        foreach (var link in _links)
        {
            if (link.Pipe is not { } pipe) continue;
            canSleep &= pipe.Arm(link.HasOutgoing, link.IsHeld ? WantedFrames.None : _isBusy ? WantedFrames.Many : WantedFrames.Any);
        }
        return canSleep;
    }

    private void Disarm()
    {
        _isArmed = false;
        foreach (var link in _links) link.Pipe?.Disarm();
    }

    /// <summary>Whether the thread of the links sleeps on what is to be waited for now.</summary>
    private bool IsPolled()
    {
        foreach (var link in _links)
            if (link.IsOpen && link.Polled != link.PollEvents(isHelped: false)) return false;
        return true;
    }

    /// <summary>Makes sure that the thread of the links notices what comes next.</summary>
    private void Settle()
    {
        if (!_isEnding && (!Arm() || !IsPolled())) _poller.Wake();
    }

    private void Sweep()
    {
        if (_closed.Count == 0) return;
        foreach (var link in _closed) _links.Remove(link);
        _closed.Clear();
    }
}
