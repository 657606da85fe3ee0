using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace Distributed.Worker.Tests.Links;

/// <summary>How the workers of a test are set up.</summary>
/// <param name="Rounds">The job's rounds.</param>
/// <param name="Layout">Layout of a contribution.</param>
/// <param name="IsShared">Whether links use shared memory instead of TCP.</param>
/// <param name="IsBfloat16">Whether floats travel as bfloat16.</param>
internal sealed record LinksSetup(Rounds Rounds, VectorLayout Layout, bool IsShared = true, bool IsBfloat16 = false);

/// <summary>A worker's links with a listener on this machine, which record every notice of the links.</summary>
internal sealed class LinkedWorker : IDisposable
{
    public const ulong Job = 0xC0FFEE;

    private static readonly Func<bool> _never = () => false;
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly BlockingCollection<(int Generation, string Peer, string Reason)> _closed = [];
    private readonly SemaphoreSlim _complete = new(0);
    private readonly LinkListener _listener;
    private int _completed;
    private int _greeted;
    private int _linked;

    public LinkedWorker(string name, LinksSetup setup)
    {
        (Name, Buffers) = (name, new(setup.Layout));
        var metrics = new WorkerMetrics(_registry, "none").Links;
        var links = LinksOf(setup.IsShared);
        Links = new(new(new(Job, Token, name), setup.Rounds, Buffers.Pool, 8, new(setup.IsBfloat16), links, metrics), Receive);
        _listener = new(new(IPAddress.Loopback, 0), Job, Token, IsExpected, Accept, metrics, NullLogger.Instance, links);
    }

    /// <summary>The token that each link must present first.</summary>
    public static byte[] Token { get; } = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    public string Name { get; }

    public WorkerLinks Links { get; }

    public CountedPool Buffers { get; }

    public LinkEndpoint Endpoint => new("127.0.0.1", _listener.Port);

    /// <summary>Runs when an average is complete.</summary>
    public Action OnComplete { get; set; } = () => { };

    /// <summary>How many times the links reported a complete average.</summary>
    public int Completed => Volatile.Read(ref _completed);

    /// <summary>How many connections have identified themselves.</summary>
    public int Greeted => Volatile.Read(ref _greeted);

    /// <summary>How many reports of closed links to peers the test has not taken yet.</summary>
    public int ClosedLinks => _closed.Count;

    public static LinkOptions LinksOf(bool isShared) => new() { SharedMemory = isShared };

    /// <summary>The next report of a closed link to a peer.</summary>
    public (int Generation, string Peer, string Reason) NextClosed() => _closed.TakeSoon();

    /// <summary>Waits until the listener has accepted so many links.</summary>
    public void AwaitLinks(int count) => Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _linked) == count, Patience.Limit));

    /// <summary>Waits for the average as a replica does, and takes it; the caller releases it.</summary>
    public VectorBuffer Take()
    {
        while (!Links.Await(_never)) Assert.True(_complete.Wait(Patience.Limit), "the average is not complete");
        return Links.TakeAverage();
    }

    /// <summary>Moves frames for a moment.</summary>
    /// <returns>Whether the average is complete.</returns>
    public bool Help() => Links.Await(_never);

    public Task<double> RefusedAsync(string reason) => ValueAsync($"{MetricNames.RefusedFrames}{{reason=\"{reason}\"}}");

    public async Task<double> LinkBytesAsync() =>
        await ValueAsync($"{MetricNames.LinkBytes}{{direction=\"{MetricLabels.Sent}\"}}")
        + await ValueAsync($"{MetricNames.LinkBytes}{{direction=\"{MetricLabels.Received}\"}}");

    public void Dispose()
    {
        _listener.Dispose();
        Links.Dispose();
    }

    private void Receive(LinkNotice notice)
    {
        switch (notice)
        {
            case LinkNotice.AverageComplete:
                Interlocked.Increment(ref _completed);
                _complete.Release();
                OnComplete();
                break;
            case LinkNotice.PeerLost lost:
                _closed.Add((lost.Generation, lost.Peer, lost.Reason));
                break;
            default:
                throw new InvalidOperationException($"{notice} without a coordinator");
        }
    }

    private bool IsExpected(string peer)
    {
        Interlocked.Increment(ref _greeted);
        return true;
    }

    private void Accept(string peer, IFramePipe pipe)
    {
        Links.Accept(peer, pipe);
        Interlocked.Increment(ref _linked);
    }

    private async Task<double> ValueAsync(string sample)
    {
        using var page = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(page);
        var line = Encoding.UTF8.GetString(page.ToArray()).Split('\n').Single(l => l.StartsWith(sample + " ", StringComparison.Ordinal));
        return double.Parse(line[(sample.Length + 1)..], CultureInfo.InvariantCulture);
    }
}
