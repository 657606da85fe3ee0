using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

// Frames through the shared memory of two processes of one host: one copy into a ring, none out of it. A TCP connection is the doorbell
// that wakes the other end, and shows when it is gone. The checksum covers the header only, since the payload never leaves the host's
// memory.
internal sealed unsafe class SharedMemoryPipe : IFramePipe
{
    private const int WantsFrames = 1, WantsRoom = 2, WantsMany = 4;

    private readonly LinkMemory _memory;
    private readonly IByteStream _doorbell;
    private readonly int* _ownFlag, _peerFlag;
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
        // Either this end sees the other's frame before it sleeps, or the other end sees the flag: the exchange here and the barrier in
        // Ring order each end's write before its read.
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

    private static int BellFor(WantedFrames frames) => frames switch
    {
        WantedFrames.Any => WantsFrames,
        WantedFrames.Many => WantsMany,
        _ => 0,
    };

    private bool IsThere(WantedFrames frames) => frames switch
    {
        WantedFrames.Any => HasFrame(),
        WantedFrames.Many => Checked(static pipe => pipe._incoming.HasHalf()),
        _ => false,
    };

    private bool HasRoom() => Checked(static pipe => pipe._outgoing.HasRoom());

    private bool HasFrame() => Checked(static pipe =>
    {
        if (pipe._hasFrame) return true;
        if (!pipe._incoming.HasFrame()) return false;
        pipe._frame = pipe._incoming.Read();
        return pipe._hasFrame = true;
    });

    private bool Checked(Func<SharedMemoryPipe, bool> look)
    {
        ThrowIfDisposed();
        try
        {
            return look(this);
        }
        catch (LinkException error)
        {
            throw new LinkException($"{Peer} broke the rules of the link: {error.Message}", error);
        }
    }

    private void Ring(int bell)
    {
        Interlocked.MemoryBarrier();
        if ((Volatile.Read(ref *_peerFlag) & bell) == 0) return;
        if (Interlocked.Exchange(ref *_peerFlag, 0) == 0) return;
        try
        {
            // If there is no room, the other end has not read earlier rings yet.
            _doorbell.Send([1], default);
        }
        catch (LinkException error)
        {
            // Its frames can still be received.
            _gone ??= error;
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_memory.IsClosed, this);
}
