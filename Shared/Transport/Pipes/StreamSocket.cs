using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Distributed.Transport.Pipes;

// A connected TCP socket whose calls never wait. It avoids .NET's asynchronous calls: once one of them has waited, a thread of the runtime
// wakes up for every packet of the socket.
internal sealed unsafe class StreamSocket : IByteStream
{
    // Of tcp(7).
    private const int ProtocolTcp = 6, TcpUserTimeout = 18;
    private const int UnacknowledgedMilliseconds = 15_000;

    private readonly Socket _socket;

    internal StreamSocket(Socket socket, string peer)
    {
        (_socket, Peer) = (socket, peer);
        _socket.NoDelay = true;
        // A process that ends closes its connections; a machine that disappears does not. A frozen process still answers.
        _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 10);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        _socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        // Without this timeout, unacknowledged data is retransmitted for a quarter of an hour before the connection breaks.
        if (OperatingSystem.IsLinux())
            _socket.SetRawSocketOption(ProtocolTcp, TcpUserTimeout, BitConverter.GetBytes(UnacknowledgedMilliseconds));
        Descriptor = (int)socket.SafeHandle.DangerousGetHandle();
    }

    public string Peer { get; }
    public int Descriptor { get; }
    public bool HasReceived() => false;

    public int Receive(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_socket.SafeHandle.IsClosed, this);
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var count = Libc.Receive(Descriptor, start, (nuint)buffer.Length, Libc.DontWait);
                if (count >= 0) return (int)count;
                var error = Marshal.GetLastPInvokeError();
                if (error == Libc.WouldBlock) return -1;
                if (error != Libc.Interrupted) throw Broken(error);
            }
        }
    }

    public int Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        ObjectDisposedException.ThrowIf(_socket.SafeHandle.IsClosed, this);
        fixed (byte* a = first, b = second)
        {
            var pieces = stackalloc Libc.Piece[2];
            pieces[0] = new() { Start = a, Length = (nuint)first.Length };
            pieces[1] = new() { Start = b, Length = (nuint)second.Length };
            var message = new Libc.MessageHeader { Pieces = pieces, Count = 2 };
            while (true)
            {
                var count = Libc.SendMessage(Descriptor, &message, Libc.DontWait | Libc.NoSignal);
                if (count >= 0) return (int)count;
                var error = Marshal.GetLastPInvokeError();
                if (error == Libc.WouldBlock) return 0;
                if (error != Libc.Interrupted) throw Broken(error);
            }
        }
    }

    public bool IsWritable()
    {
        var descriptor = new Libc.PollDescriptor { Descriptor = Descriptor, Events = Libc.PollOut };
        return Libc.Poll(&descriptor, 1, 0) != 0;
    }

    public void Dispose() => _socket.Dispose();

    private LinkException Broken(int error) =>
        new($"the connection to {Peer} broke: {Marshal.GetPInvokeErrorMessage(error)}") { IsDisconnect = true };
}
