using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Distributed.Core.Reduction;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>A worker's end of a link, which a test directs; it keeps the frames that it receives.</summary>
internal sealed class StarPeer : ILinkHandler, IDisposable
{
    private readonly Channel<(FrameHeader Header, byte[] Payload)> _received = Channel.CreateUnbounded<(FrameHeader, byte[])>();
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ulong _job;
    private readonly TensorLinks _links;
    private readonly TensorLink _link;
    private readonly Socket? _socket;

    public StarPeer(IFramePipe pipe, ulong job)
    {
        _job = job;
        _links = new(this, null);
        lock (_links.Gate) _links.Open(_link = _links.Add("the coordinator"), pipe);
    }

    private StarPeer(Socket socket, ulong job) : this(new SocketPipe(socket), job) => _socket = socket;

    /// <summary>The reason, once the link is closed.</summary>
    public Task<string> WhenClosed => _closed.Task.Soon();

    public bool IsClosed => _closed.Task.IsCompleted;

    /// <summary>A peer over TCP that has sent nothing yet.</summary>
    public static StarPeer Stranger(int port, ulong job) => new(NewSocket(port), job);

    public static Socket NewSocket(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Greet(byte[] token, string worker)
    {
        byte[] hello = [.. token, (byte)worker.Length, .. Encoding.ASCII.GetBytes(worker)];
        Send(new(FrameKind.Hello, _job, 0, 0, 0, default, hello.Length), hello);
    }

    public void Send(FrameHeader header, ReadOnlyMemory<byte> payload)
    {
        lock (_links.Gate)
        {
            _links.Send(_link, header, payload);
            _links.Push();
        }
    }

    /// <summary>Sends bytes that need not be frames, between two frames.</summary>
    public void SendBytes(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty) bytes = bytes[_socket!.Send(bytes)..];
    }

    public void SendPresent(int generation, long round) => Send(new(FrameKind.Present, _job, generation, round, 0, default, 0), default);

    public void SendState(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            StateTransfer.Send(_links, _link, _job, generation, applied, state);
            _links.Push();
        }
    }

    public void SendCheckpoint(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            StateTransfer.SendCheckpoint(_links, _link, _job, generation, applied, state);
            _links.Push();
        }
    }

    /// <summary>The next frame; fails if the link closes instead.</summary>
    public Task<(FrameHeader Header, byte[] Payload)> NextAsync() => _received.Reader.NextAsync();

    /// <summary>Whether a received frame has not been read yet.</summary>
    public bool HasMore => _received.Reader.TryPeek(out _);

    /// <summary>The frames of one average, by slice.</summary>
    public async Task<SortedDictionary<int, byte[]>> AverageAsync(int generation, long round, int slices)
    {
        var average = new SortedDictionary<int, byte[]>();
        while (average.Count < slices)
        {
            var (header, payload) = await NextAsync();
            Assert.Equal((FrameKind.Average, _job, generation, round), (header.Kind, header.Job, header.Generation, header.Round));
            average.Add(header.Slice, payload);
        }
        return average;
    }

    public void Dispose()
    {
        _links.Dispose();
        Close("disposed");
    }

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload) =>
        _received.Writer.TryWrite((header, payload.ToArray()));

    void ILinkHandler.Closed(TensorLink link, string reason) => Close(reason);

    private void Close(string reason)
    {
        _closed.TrySetResult(reason);
        _received.Writer.TryComplete(new LinkException(reason));
    }
}
