using System.Collections.Concurrent;
using System.Net;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;
using Microsoft.Extensions.Logging.Abstractions;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// The coordinator's end of one worker's link, on this machine: it greets a worker that has the token, keeps the frames that arrive,
/// and sends the frames that a test specifies.
/// </summary>
internal sealed class ScriptedCoordinator : ILinkHandler, IDisposable
{
    private readonly ulong _job;
    private readonly LinkListener _listener;
    private readonly TensorLinks _links;
    private readonly BlockingCollection<(FrameHeader Header, byte[] Payload)> _frames = [];
    private readonly TaskCompletionSource<string> _worker = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TensorLink _link;

    public ScriptedCoordinator(ulong job)
    {
        _job = job;
        _links = new(this, null);
        lock (_links.Gate) _link = _links.Add("the worker");
        var metrics = new WorkerMetrics(Prometheus.Metrics.NewCustomRegistry(), "none").Links;
        _listener = new(new(IPAddress.Loopback, 0), job, Token, _ => true, Established, metrics, NullLogger.Instance, new LinkOptions());
        Port = _listener.Port;
    }

    public static string Host => "127.0.0.1";

    public int Port { get; }

    /// <summary>The token that the link must present first.</summary>
    public byte[] Token { get; } = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    /// <summary>Runs when a frame is complete, before it is kept.</summary>
    public Action<FrameHeader> OnFrame { get; set; } = _ => { };

    /// <summary>The id with which the worker introduced itself; completes when the worker is greeted.</summary>
    public Task<string> Greeted => _worker.Task;

    /// <summary>Completes when the link is closed.</summary>
    public Task<string> Closed => _closed.Task;

    /// <summary>The next frame after the greeting; waits for it.</summary>
    public (FrameHeader Header, byte[] Payload) NextFrame() => _frames.TakeSoon();

    /// <summary>How many frames have arrived and were not taken.</summary>
    public int WaitingFrames => _frames.Count;

    /// <summary>Takes the next frames, which must be all slices of a node's sum, each once.</summary>
    /// <returns>The sum, which the caller releases.</returns>
    public VectorBuffer NextSum(VectorPool pool, int generation, Round round, TreeNode node)
    {
        var sum = pool.Rent();
        var awaited = Enumerable.Range(0, pool.Layout.Slices).Skip(pool.Layout.FirstSlice(round.Kind)).ToHashSet();
        while (awaited.Count > 0)
        {
            var (header, payload) = NextFrame();
            Assert.True(awaited.Remove(header.Slice), $"slice {header.Slice} is not awaited");
            var length = pool.Layout.BytesOf(header.Slice).Length;
            Assert.Equal(new(FrameKind.Contribution, _job, generation, round.Number, header.Slice, node, length), header);
            payload.CopyTo(sum.SliceMemory(header.Slice));
        }
        return sum;
    }

    /// <summary>Sends a frame as it is.</summary>
    public void Send(in FrameHeader header, ReadOnlyMemory<byte> payload = default)
    {
        lock (_links.Gate)
        {
            _links.Send(_link, header, payload);
            _links.Push();
        }
    }

    /// <summary>Sends one slice of an average.</summary>
    public void SendAverage(VectorBuffer average, int generation, long round, int slice)
    {
        var payload = average.SliceMemory(slice);
        lock (_links.Gate)
        {
            _links.Send(_link, new(FrameKind.Average, _job, generation, round, slice, default, payload.Length), payload, average);
            _links.Push();
        }
    }

    /// <summary>Sends all slices of an average that a round exchanges.</summary>
    public void SendAverage(VectorBuffer average, int generation, Round round)
    {
        for (var slice = average.Layout.FirstSlice(round.Kind); slice < average.Layout.Slices; slice++)
            SendAverage(average, generation, round.Number, slice);
    }

    public void SendState(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            StateTransfer.Send(_links, _link, _job, generation, applied, state);
            _links.Push();
        }
    }

    /// <summary>Sends bytes of a data set, from an offset in it.</summary>
    public void SendData(ReadOnlyMemory<byte> bytes, long offset = 0)
    {
        for (; !bytes.IsEmpty; offset += FrameHeader.MaxLength)
        {
            var piece = bytes[..Math.Min(bytes.Length, FrameHeader.MaxLength)];
            Send(new(FrameKind.Data, _job, FrameHeader.AnyGeneration, offset, 0, default, piece.Length), piece);
            bytes = bytes[piece.Length..];
        }
    }

    public void SendInitial(byte[] file)
    {
        lock (_links.Gate)
        {
            StateTransfer.SendInitial(_links, _link, _job, file);
            _links.Push();
        }
    }

    public void Close(string reason)
    {
        lock (_links.Gate) _links.Close(_link, reason);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _links.Dispose();
    }

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        OnFrame(header);
        _frames.Add((header, payload.ToArray()));
        return true;
    }

    void ILinkHandler.Closed(TensorLink link, string reason) => _closed.TrySetResult(reason);

    private void Established(string worker, IFramePipe pipe)
    {
        lock (_links.Gate) _links.Open(_link, pipe);
        _worker.TrySetResult(worker);
    }
}
