using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>Handles the received frames of a process. Called under <see cref="TensorLinks.Gate"/>; must not wait.</summary>
internal interface ILinkHandler
{
    /// <param name="payload">Valid until this returns.</param>
    /// <returns>False if the frame is early: it stays in its pipe, with all frames behind it.</returns>
    /// <exception cref="LinkException">The frame is a violation: the link is closed with this reason.</exception>
    bool Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload);

    void Closed(TensorLink link, string reason);
}

// The links of a process. Frames are moved by a thread that waits for them (BeginHelp), by a thread that has just queued
// some (Push), else by a thread of their own, which sleeps while nothing can be moved. Everything happens under one gate. In
// steady state nothing is allocated.
internal sealed class TensorLinks : IDisposable
{
    /// <summary>Largest queue of one peer: more than a round of the largest vector has.</summary>
    public const int MaxQueuedFrames = 1 << 16;

    // Frames moved on one link before the next one: a sum is sent while it is in the cache.
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

    public TensorLinks(ILinkHandler handler, ILinkMetrics? metrics)
    {
        (_handler, _metrics) = (handler, metrics);
        _thread = new(Run) { Name = "links", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Must be held for every call but <see cref="Dispose"/>, <see cref="BeginHelp"/> and <see cref="EndHelp"/>.</summary>
    public Lock Gate { get; } = new();

    public long ContributionBytesSent { get; private set; }

    /// <summary>Adds a link to a peer that is not connected yet; frames wait.</summary>
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

    public void Send(TensorLink link, in FrameHeader header, ReadOnlyMemory<byte> payload, IFrameOwner? owner = null,
        FramePriority priority = FramePriority.Normal)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, header.Length);
        if (link.IsClosed || _isEnding) return;
        owner?.Hold();
        link.Add(new(header, payload, owner), priority);
        if (link.IsTooLong) Close(link, $"more than {MaxQueuedFrames} frames wait for {link.Peer}");
    }

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
        // A thread that sleeps on it would keep the connection open.
        if (!_isEnding) _poller.Wake();
    }

    /// <summary>Removes a link, but returns its pipe with the frames not received yet; null if it is closed.</summary>
    public IFramePipe? Detach(TensorLink link)
    {
        if (link.Pipe is not { } pipe) return null;
        pipe.Disarm();
        link.Pipe = null;
        Remove(link);
        return pipe;
    }

    public void Close(TensorLink link, string reason)
    {
        if (link.IsClosed) return;
        Remove(link);
        _handler.Closed(link, reason);
    }

    /// <summary>Sends and receives a few frames on each link without waiting.</summary>
    public bool Move()
    {
        if (_isArmed) Disarm();
        return MoveSome();
    }

    /// <summary>Sends and receives as many frames as possible without waiting; the thread of the links moves the rest.</summary>
    public void Push()
    {
        // Called by the handler: its frame is not released yet, and the thread that moves it continues with the queued ones.
        if (_isHandling) return;
        var mustNotify = false;
        while (MoveSome()) mustNotify = true;
        foreach (var link in _links) mustNotify |= link is { IsOpen: true, HasOutgoing: true };
        if (mustNotify && !_isHelped) NotifyThread();
    }

    /// <summary>From now on the caller moves the frames, by calling <see cref="Move"/> repeatedly.</summary>
    public void BeginHelp()
    {
        lock (Gate) _isHelped = true;
    }

    /// <param name="isBusy">Whether the caller computes and will call <see cref="Push"/> now and then, so that received frames may
    /// wait.</param>
    public void EndHelp(bool isBusy)
    {
        lock (Gate)
        {
            (_isHelped, _isBusy) = (false, isBusy);
            NotifyThread();
        }
    }

    /// <summary>Closes all links without telling the handler.</summary>
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
            RemoveClosed();
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
            lock (Gate) HandlePolled();
        }
    }

    private void HandlePolled()
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
        RemoveClosed();
    }

    private bool MoveSome()
    {
        var hasMoved = false;
        for (var i = 0; i < _links.Count; i++) hasMoved |= MoveSome(_links[i], isIdle: false);
        var isIdle = !hasMoved;
        // One background frame at a time, so that a frame of higher priority never waits for more than one.
        for (var i = 0; isIdle && i < _links.Count; i++) hasMoved |= _links[i].HasBackground && MoveSome(_links[i], isIdle);
        RemoveClosed();
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
        // A frame that cannot be handled must not end the other links.
        catch (Exception error) when (error is not (OutOfMemoryException or LinkException))
        {
            throw new LinkException($"a frame from {link.Peer} could not be handled: {error.Message}", error);
        }
        finally
        {
            _isHandling = false;
        }
    }

    /// <returns>False if a frame can be moved already.</returns>
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

    // Whether the thread of the links sleeps on the right events.
    private bool IsPolled()
    {
        foreach (var link in _links)
            if (link.IsOpen && link.Polled != link.PollEvents(isHelped: false)) return false;
        return true;
    }

    private void NotifyThread()
    {
        if (!_isEnding && (!Arm() || !IsPolled())) _poller.Wake();
    }

    private void RemoveClosed()
    {
        if (_closed.Count == 0) return;
        foreach (var link in _closed) _links.Remove(link);
        _closed.Clear();
    }
}
