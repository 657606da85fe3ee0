using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

/// <summary>
/// Frames through memory that two processes of one host share: one copy into a ring, none out of it. The TCP connection beside
/// it rings the other end when it sleeps, and shows when it is gone. The checksum covers the header alone: no wire can damage
/// a payload that never leaves the memory of one host.
/// </summary>
internal sealed unsafe class SharedMemoryPipe : IFramePipe
{
    private const int WantsFrames = 1;
    private const int WantsRoom = 2;
    private const int WantsMany = 4;

    private readonly LinkMemory _memory;
    private readonly StreamSocket _doorbell;
    private readonly int* _ownFlag;
    private readonly int* _peerFlag;
    private FrameRing _outgoing;
    private FrameRing _incoming;
    private FrameHeader _frame;
    private bool _hasFrame;
    private LinkException? _gone;

    internal SharedMemoryPipe(LinkMemory memory, bool isMaker, StreamSocket doorbell)
    {
        (_memory, _doorbell) = (memory, doorbell);
        (_outgoing, _incoming) = (memory.Ring(isMaker), memory.Ring(!isMaker));
        _ownFlag = memory.Flag(isMaker);
        _peerFlag = memory.Flag(!isMaker);
        Peer = $"{doorbell.Peer} (shared memory)";
    }

    public string Peer { get; }

    public bool IsMidFrame => false;

    public int Descriptor => _gone is null ? _doorbell.Descriptor : -1;

    public bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, header.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, FrameHeader.MaxLength);
        ThrowIfDisposed();
        if (_gone is not null) throw _gone;
        if (!HasRoom()) return false;
        _outgoing.Write(header, payload);
        Ring(_outgoing.IsHalfUnread() ? WantsFrames | WantsMany : WantsFrames);
        return true;
    }

    public bool TryReceive(out FrameHeader header, out ReadOnlySpan<byte> payload)
    {
        var hasFrame = HasFrame();
        if (!hasFrame && _gone is not null) throw _gone;
        header = hasFrame ? _frame : default;
        payload = hasFrame ? _incoming.Payload(_frame.Length) : default;
        return hasFrame;
    }

    public void Release()
    {
        ThrowIfDisposed();
        if (!_hasFrame) throw new InvalidOperationException("no frame was received");
        _hasFrame = false;
        _incoming.Release();
        Ring(WantsRoom);
    }

    public bool Arm(bool wantsRoom, WantedFrames frames)
    {
        ThrowIfDisposed();
        // Either this end sees what the other has done before it fell asleep, or the other sees the flag: the exchange and
        // the barrier in Ring let neither look before it has said its part.
        Interlocked.Exchange(ref *_ownFlag, BellFor(frames) | (wantsRoom ? WantsRoom : 0));
        if (!IsThere(frames) && !(wantsRoom && HasRoom())) return true;
        Disarm();
        return false;
    }

    public void Disarm()
    {
        ThrowIfDisposed();
        Volatile.Write(ref *_ownFlag, 0);
    }

    public short PollEvents(bool wantsFrames, bool wantsRoom) => Libc.PollIn;

    public void Polled(short revents)
    {
        if (revents == 0) return;
        try
        {
            Span<byte> rings = stackalloc byte[64];
            if (_doorbell.Receive(rings) == 0) _gone ??= _doorbell.Closed();
        }
        catch (LinkException error)
        {
            _gone ??= error;
        }
        if (_gone is not null && !HasFrame()) throw _gone;
    }

    public void Dispose()
    {
        _doorbell.Dispose();
        _memory.Dispose();
    }

    private bool HasRoom()
    {
        try
        {
            return _outgoing.HasRoom();
        }
        catch (LinkException error)
        {
            throw Violation(error);
        }
    }

    private bool HasFrame()
    {
        ThrowIfDisposed();
        if (_hasFrame) return true;
        try
        {
            if (!_incoming.HasFrame()) return false;
            _frame = _incoming.Read();
        }
        catch (LinkException error)
        {
            throw Violation(error);
        }
        return _hasFrame = true;
    }

    private static int BellFor(WantedFrames frames) => frames switch { WantedFrames.Any => WantsFrames, WantedFrames.Many => WantsMany, _ => 0 };

    private bool IsThere(WantedFrames frames) => frames switch { WantedFrames.Any => HasFrame(), WantedFrames.Many => HasHalf(), _ => false };

    private bool HasHalf()
    {
        ThrowIfDisposed();
        try
        {
            return _incoming.HasHalf();
        }
        catch (LinkException error)
        {
            throw Violation(error);
        }
    }

    private void Ring(int what)
    {
        Interlocked.MemoryBarrier();
        if ((Volatile.Read(ref *_peerFlag) & what) == 0) return;
        if (Interlocked.Exchange(ref *_peerFlag, 0) == 0) return;
        try
        {
            // If there is no room, there are rings that it has not heard yet.
            _doorbell.Send([1], default);
        }
        catch (LinkException error)
        {
            // What it has sent before can still be received.
            _gone ??= error;
        }
    }

    private LinkException Violation(LinkException error) => new($"{Peer} broke the rules of the link: {error.Message}", error);

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_memory.IsClosed, this);
}
