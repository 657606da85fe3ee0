using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// The coordinator's end of one worker's link, on this machine: greets whoever has the token, keeps what comes, and sends
/// what a test says.
/// </summary>
internal sealed class ScriptedCoordinator : IFrameReceiver, IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ulong _job;
    private readonly BlockingCollection<(FrameHeader Header, byte[] Payload)> _frames = [];
    private readonly TaskCompletionSource<string> _worker = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TensorLink? _link;

    public ScriptedCoordinator(ulong job)
    {
        _job = job;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _ = AcceptAsync();
    }

    public static string Host => "127.0.0.1";

    public int Port { get; }

    /// <summary>What a link has to begin with.</summary>
    public byte[] Token { get; } = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    /// <summary>Runs on the link's thread when a frame is complete, before it is kept.</summary>
    public Action<FrameHeader> OnFrame { get; set; } = _ => { };

    /// <summary>The id with which the worker introduced itself; done when it is greeted.</summary>
    public Task<string> Greeted => _worker.Task;

    /// <summary>Done when the link is closed.</summary>
    public Task<string> Closed => _closed.Task;

    /// <summary>The next frame that comes, or came, after the greeting.</summary>
    public (FrameHeader Header, byte[] Payload) NextFrame() => _frames.TakeSoon();

    /// <summary>Frames that came and were not taken.</summary>
    public int WaitingFrames => _frames.Count;

    /// <summary>The next frames, which must be all slices of a node's sum, in order.</summary>
    /// <returns>The sum, with a hold on it.</returns>
    public VectorBuffer NextSum(VectorPool pool, int generation, Round round, TreeNode node)
    {
        var sum = pool.Rent();
        for (var slice = pool.Layout.FirstSlice(round.Kind); slice < pool.Layout.Slices; slice++)
        {
            var (header, payload) = NextFrame();
            Assert.Equal(new(FrameKind.Contribution, _job, generation, round.Number, slice, node, pool.Layout.BytesOf(slice).Length), header);
            payload.CopyTo(sum.SliceMemory(slice));
        }
        return sum;
    }

    /// <summary>Sends a frame as it is.</summary>
    public void Send(in FrameHeader header, ReadOnlyMemory<byte> payload = default) => _link!.Send(header, payload);

    /// <summary>Sends one slice of an average.</summary>
    public void SendAverage(VectorBuffer average, int generation, long round, int slice)
    {
        var payload = average.SliceMemory(slice);
        _link!.Send(new(FrameKind.Average, _job, generation, round, slice, default, payload.Length), payload, average);
    }

    /// <summary>Sends all slices of an average that a round exchanges.</summary>
    public void SendAverage(VectorBuffer average, int generation, Round round)
    {
        for (var slice = average.Layout.FirstSlice(round.Kind); slice < average.Layout.Slices; slice++)
            SendAverage(average, generation, round.Number, slice);
    }

    public void SendState(int generation, long applied, byte[] state) => StateTransfer.Send(_link!, _job, generation, applied, state);

    public void Close(string reason) => _link!.Close(reason);

    public void Dispose()
    {
        _listener.Dispose();
        _link?.Dispose();
    }

    FrameTarget IFrameReceiver.Begin(TensorLink link, in FrameHeader header) => FrameTarget.Into(new byte[header.Length]);

    void IFrameReceiver.Complete(TensorLink link, in FrameHeader header, in FrameTarget target)
    {
        if (header.Kind == FrameKind.Hello)
        {
            Greet(link, header, target.Destination.Span);
            return;
        }
        OnFrame(header);
        _frames.Add((header, target.Destination.ToArray()));
    }

    void IFrameReceiver.Closed(TensorLink link, string reason) => _closed.TrySetResult(reason);

    private void Greet(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> hello)
    {
        if (header.Job != _job || !hello.StartsWith(Token)) throw new LinkException("the token is wrong");
        link.Send(new(FrameKind.Hello, _job, 0, 0, 0, default, 0), default);
        _worker.TrySetResult(Encoding.UTF8.GetString(hello[Token.Length..]));
    }

    private async Task AcceptAsync()
    {
        try
        {
            _link = new(await _listener.AcceptAsync(), this);
            await _link.RunAsync();
        }
        catch (SocketException)
        {
            // Disposed before anybody came.
        }
    }
}
