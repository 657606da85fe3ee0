using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Distributed.Shared.Links;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>A worker's end of a link, which does what a test says and keeps what comes.</summary>
internal sealed class StarPeer : IFrameReceiver, IDisposable
{
    private readonly Channel<(FrameHeader Header, byte[] Payload)> _received = Channel.CreateUnbounded<(FrameHeader, byte[])>();
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ulong _job;

    private StarPeer(Socket socket, ulong job)
    {
        (Socket, _job) = (socket, job);
        Link = new(socket, this);
        _ = Link.RunAsync();
    }

    public TensorLink Link { get; }

    /// <summary>For bytes that are no frames.</summary>
    public Socket Socket { get; }

    /// <summary>The reason, once the link is closed.</summary>
    public Task<string> WhenClosed => _closed.Task.Soon();

    public bool IsClosed => _closed.Task.IsCompleted;

    public static async Task<StarPeer> ConnectAsync(int port, ulong job) => new(await SocketAsync(port), job);

    public static async Task<Socket> SocketAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    public void Greet(byte[] token, string worker)
    {
        byte[] hello = [.. token, .. Encoding.UTF8.GetBytes(worker)];
        Send(new(FrameKind.Hello, _job, 0, 0, 0, default, hello.Length), hello);
    }

    public void Send(FrameHeader header, ReadOnlyMemory<byte> payload) => Link.Send(header, payload);

    public void SendPresent(int generation, long round) => Send(new(FrameKind.Present, _job, generation, round, 0, default, 0), default);

    /// <summary>The next frame; fails if the link closes instead.</summary>
    public Task<(FrameHeader Header, byte[] Payload)> NextAsync() => _received.Reader.NextAsync();

    /// <summary>Whether a frame is here that nobody has read.</summary>
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

    public void Dispose() => Link.Dispose();

    FrameTarget IFrameReceiver.Begin(TensorLink link, in FrameHeader header) => FrameTarget.Into(new byte[header.Length]);

    void IFrameReceiver.Complete(TensorLink link, in FrameHeader header, in FrameTarget target) =>
        _received.Writer.TryWrite((header, target.Destination.ToArray()));

    void IFrameReceiver.Closed(TensorLink link, string reason)
    {
        _closed.TrySetResult(reason);
        _received.Writer.TryComplete(new LinkException(reason));
    }
}
