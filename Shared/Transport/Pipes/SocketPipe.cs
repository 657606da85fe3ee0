using System.Net.Sockets;
using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

// Frames over TCP, encrypted or not, with a checksum over header and payload. Without encryption a payload is not copied between the
// caller's memory and the kernel when it is sent, nor between the receive buffer and the caller when it is received.
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

    /// <param name="socket">Connected, and not used asynchronously before.</param>
    public SocketPipe(Socket socket) : this(new StreamSocket(socket, socket.RemoteEndPoint?.ToString() ?? "unknown")) { }

    internal SocketPipe(IByteStream socket) => _socket = socket;

    public string Peer => _socket.Peer;
    public bool IsMidFrame => _sent > 0;
    public int Descriptor => _socket.Descriptor;

    public bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payload.Length, FrameHeader.MaxLength);
        if (IsMidFrame && header != _outgoing)
            throw new InvalidOperationException($"a frame to {Peer} must be sent whole before another one");
        // Computing the checksum, or sending a few bytes, would be wasted.
        if (_isFull && !_socket.IsWritable()) return false;
        if (!IsMidFrame) header.Write(_outgoingHeader, payload);
        _outgoing = header;
        while (_sent < FrameHeader.Size + payload.Length)
        {
            var left = payload[Math.Max(0, _sent - FrameHeader.Size)..];
            var count = _socket.Send(_outgoingHeader.AsSpan(Math.Min(_sent, FrameHeader.Size)), left);
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
        // If there is something to read, receiving it will show the end.
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

    // Called when the buffer holds no whole frame.
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
