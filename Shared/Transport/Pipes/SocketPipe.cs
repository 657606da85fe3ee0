using System.Net.Sockets;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

/// <summary>
/// Frames over TCP, encrypted or not, with a checksum over header and payload. In the clear, a payload goes from the caller's
/// memory to the kernel, and from a buffer that holds all that the kernel had to the caller, with no copy between.
/// </summary>
internal sealed unsafe class SocketPipe : IFramePipe
{
    private const int Capacity = 2 * FrameHeader.MaxLength;

    private readonly IByteStream _socket;
    private readonly byte[] _outgoingHeader = new byte[FrameHeader.Size];
    private byte* _buffer = (byte*)NativeMemory.AlignedAlloc(Capacity, 64);
    private FrameHeader _outgoing;
    private FrameHeader _incoming;
    private int _sent;
    private bool _isFull;
    private int _start;
    private int _end;
    private bool _hasHeader;
    private bool _hasFrame;

    /// <summary>Takes over a connected socket, on which no asynchronous call should have waited.</summary>
    public SocketPipe(Socket socket) : this(new StreamSocket(socket, socket.RemoteEndPoint?.ToString() ?? "unknown")) { }

    internal SocketPipe(IByteStream socket) => _socket = socket;

    public string Peer => _socket.Peer;

    public bool IsMidFrame => _sent > 0;

    public int Descriptor => _socket.Descriptor;

    public bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, FrameHeader.MaxLength);
        if (IsMidFrame && header != _outgoing) throw new InvalidOperationException($"a frame to {Peer} must be sent whole before another one");
        // A checksum, or a call for a few bytes, would be wasted.
        if (_isFull && !_socket.IsWritable()) return false;
        if (!IsMidFrame) header.Write(_outgoingHeader, payload);
        _outgoing = header;
        while (_sent < FrameHeader.Size + payload.Length)
        {
            var count = _socket.Send(_outgoingHeader.AsSpan(Math.Min(_sent, FrameHeader.Size)), payload[Math.Max(0, _sent - FrameHeader.Size)..]);
            _isFull = count == 0;
            if (_isFull) return false;
            _sent += count;
        }
        _sent = 0;
        return true;
    }

    public bool TryReceive(out FrameHeader header, out ReadOnlySpan<byte> payload)
    {
        while (!HasFrame())
        {
            if (Fill()) continue;
            header = default;
            payload = default;
            return false;
        }
        header = _incoming;
        payload = new(_buffer + _start + FrameHeader.Size, header.Length);
        return true;
    }

    public void Release()
    {
        if (!_hasFrame) throw new InvalidOperationException("no frame was received");
        _start += FrameHeader.Size + _incoming.Length;
        if (_start == _end) _start = _end = 0;
        _hasHeader = _hasFrame = false;
    }

    public bool Arm(bool wantsRoom, WantedFrames frames) => frames == WantedFrames.None || !(HasFrame() || _socket.HasReceived());

    public void Disarm() { }

    public short PollEvents(bool wantsFrames, bool wantsRoom) =>
        (short)((wantsFrames ? Libc.PollIn : 0) | (wantsRoom ? Libc.PollOut : 0));

    public void Polled(short revents)
    {
        // With something to read, the end shows when the frames before it have been received.
        if ((revents & Libc.PollIn) == 0 && (revents & (Libc.PollError | Libc.PollHangUp)) != 0) throw _socket.Closed();
    }

    public void Dispose()
    {
        _socket.Dispose();
        NativeMemory.AlignedFree(_buffer);
        _buffer = null;
    }

    private bool HasFrame()
    {
        ObjectDisposedException.ThrowIf(_buffer == null, this);
        if (_hasFrame) return true;
        var received = new ReadOnlySpan<byte>(_buffer + _start, _end - _start);
        if (received.Length < FrameHeader.Size) return false;
        try
        {
            if (!_hasHeader) _incoming = FrameCodec.Read(received);
            _hasHeader = true;
            if (received.Length < FrameHeader.Size + _incoming.Length) return false;
            FrameCodec.Verify(received[..FrameHeader.Size], received.Slice(FrameHeader.Size, _incoming.Length));
        }
        catch (LinkException error)
        {
            throw new LinkException($"{Peer} broke the rules of the link: {error.Message}", error);
        }
        return _hasFrame = true;
    }

    /// <summary>Reads as much as there is and fits, when no whole frame is left.</summary>
    private bool Fill()
    {
        var length = _hasHeader ? FrameHeader.Size + _incoming.Length : FrameHeader.Size;
        if (_start + length > Capacity)
        {
            new ReadOnlySpan<byte>(_buffer + _start, _end - _start).CopyTo(new(_buffer, Capacity));
            (_start, _end) = (0, _end - _start);
        }
        var count = _socket.Receive(new(_buffer + _end, Capacity - _end));
        if (count == 0) throw _socket.Closed(_start == _end ? "" : " in the middle of a frame");
        if (count < 0) return false;
        _end += count;
        return true;
    }
}
