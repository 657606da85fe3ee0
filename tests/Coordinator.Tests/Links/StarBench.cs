using System.Net;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>A server, all that it reports, and the workers' ends of its links.</summary>
internal sealed class StarBench : IDisposable
{
    public const ulong Job = 0xC0FFEE;

    private readonly Channel<(string Worker, string Reason)> _closed = Channel.CreateUnbounded<(string, string)>();
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly List<VectorBuffer> _buffers = [];
    private readonly List<StarPeer> _peers = [];
    private long _stateBytes;

    public StarBench(bool wireHalf = false) =>
        Star = new(
            new(IPAddress.Loopback, 0), Job, new(wireHalf), (worker, reason) => _closed.Writer.TryWrite((worker, reason)),
            new TrainingMetrics(_registry).Links, Log);

    public CoordinatorLinks Star { get; }

    public LogLines Log { get; } = new();

    /// <summary>The links that were reported closed.</summary>
    public ChannelReader<(string Worker, string Reason)> Closed => _closed.Reader;

    public async Task<double?> RefusedAsync(string reason) =>
        await _registry.ValueAsync($"{MetricNames.RefusedFrames}{{reason=\"{reason}\"}}");

    /// <summary>Connections refused for that reason.</summary>
    public async Task<double?> RefusedConnectionsAsync(Refusal reason)
    {
        var label = $"{reason}".ToLowerInvariant();
        return await _registry.ValueAsync($"{MetricNames.RefusedConnections}{{plane=\"{MetricLabels.Links}\",reason=\"{label}\"}}");
    }

    /// <summary>A peer that has sent nothing yet.</summary>
    public StarPeer Stranger() => Keep(StarPeer.Stranger(Star.Port, Job));

    /// <summary>Links a worker.</summary>
    /// <param name="worker">Its name.</param>
    /// <param name="isShared">Whether over shared memory, else over TCP.</param>
    public async Task<StarPeer> LinkAsync(string worker, bool isShared = false)
    {
        Star.Admit(worker);
        var peer = isShared ? await LinkSharedAsync(worker) : await LinkOverTcpAsync(worker);
        await Patience.UntilAsync(() => IsLinked(worker));
        return peer;
    }

    public bool IsLinked(string worker) => Star.LinkOf(worker) is { IsOpen: true };

    /// <summary>The number of reduced rounds.</summary>
    public long Completed => CompletedBy(Star);

    public static long CompletedBy(CoordinatorLinks star) => AllReduceOf(star)?.Round ?? 0;

    /// <summary>Links all workers of a plan.</summary>
    public async Task<Dictionary<string, StarPeer>> LinkAllAsync(Plan plan, bool isShared = false)
    {
        var links = new Dictionary<string, StarPeer>();
        foreach (var worker in plan.Workers) links.Add(worker, await LinkAsync(worker, isShared));
        return links;
    }

    /// <summary>Gets ready for the job. The server's pool is filled with buffers that the bench knows.</summary>
    public void Open(Rounds rounds, VectorLayout layout, long stateBytes = 8, int buffers = 0)
    {
        _stateBytes = stateBytes;
        Star.Open(new("data", rounds.TrainSamples, rounds.TestSamples, layout, stateBytes, "initial", "127.0.0.1", 4711), rounds);
        var pool = PoolOf(Star)!;
        for (var i = 0; i < buffers; i++) _buffers.Add(pool.Rent());
        foreach (var buffer in _buffers)
        {
            buffer.Memory.Span.Clear();
            buffer.Release();
        }
    }

    /// <summary>A plan for all rounds, in force.</summary>
    public Plan Begin(int generation, Rounds rounds, params string[] workers)
    {
        foreach (var worker in workers) Star.Admit(worker);
        var plan = new Plan(generation, Completed, rounds.Count, [.. workers], Topology.Star);
        Star.Begin(plan);
        return plan;
    }

    /// <summary>Waits until the server has received everything that a worker has sent.</summary>
    public async Task SettleAsync(StarPeer link, string worker, int generation)
    {
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Star.ExpectState(worker, generation, (_, _) => arrived.SetResult());
        link.SendState(generation, 0, new byte[_stateBytes]);
        await arrived.Task.Soon();
    }

    /// <summary>Waits until all links together have received this many bytes.</summary>
    public async Task WhenReceivedAsync(long bytes)
    {
        while (await _registry.ValueAsync($"{MetricNames.LinkBytes}{{direction=\"{MetricLabels.Received}\"}}") < bytes) await Task.Yield();
    }

    /// <summary>Closes the server and waits until every buffer is freed; a buffer that is still held would not be.</summary>
    public Task AssertNothingIsHeldAsync()
    {
        Star.Dispose();
        return WhenFreedAsync();
    }

    /// <summary>Waits until every buffer is freed.</summary>
    public Task WhenFreedAsync() => Patience.UntilAsync(() => _buffers.TrueForAll(IsFreed));

    /// <summary>The bytes of a frame as they are sent.</summary>
    public static byte[] BytesOf((FrameHeader Header, byte[] Payload) frame)
    {
        var bytes = new byte[FrameHeader.Size + frame.Payload.Length];
        frame.Header.Write(bytes, frame.Payload);
        frame.Payload.CopyTo(bytes, FrameHeader.Size);
        return bytes;
    }

    public void Dispose()
    {
        Star.Dispose();
        foreach (var peer in _peers) peer.Dispose();
    }

    private async Task<StarPeer> LinkSharedAsync(string worker) =>
        Keep(new(await LinkHandshake.ConnectAsync("127.0.0.1", Star.Port, new(Job, Star.Token, worker), new(), default), Job));

    private async Task<StarPeer> LinkOverTcpAsync(string worker)
    {
        var peer = Stranger();
        peer.Greet(Star.Token, worker);
        var (header, payload) = await peer.NextAsync();
        Assert.Equal(new(FrameKind.Hello, Job, 0, 0, 0, default, 1), header);
        Assert.Equal([0], payload);
        return peer;
    }

    private StarPeer Keep(StarPeer peer)
    {
        _peers.Add(peer);
        return peer;
    }

    private static bool IsFreed(VectorBuffer buffer)
    {
        try
        {
            buffer.GetSpan();
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_allReduce")]
    private static extern ref Transport.Links.AllReduce? AllReduceOf(CoordinatorLinks star);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_pool")]
    private static extern ref VectorPool? PoolOf(CoordinatorLinks star);
}
