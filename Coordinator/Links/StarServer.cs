using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Metrics;
using Distributed.Shared.Protocol;
using Microsoft.Extensions.Logging;

namespace Distributed.Coordinator.Links;

/// <summary>
/// The data plane of the topology `star`: accepts the workers' links, lets <see cref="SliceReduction"/> judge and sum what
/// comes, and sends every averaged slice back as soon as it is complete. Knows bytes, not actors.
/// </summary>
public sealed class StarServer : IFrameReceiver, IDisposable
{
    /// <summary>Bytes of the token that a link begins with.</summary>
    public const int TokenLength = 16;

    private const int MaxHelloLength = 256;
    private const int MaxStrangers = 64;
    private static readonly TimeSpan _helloTimeout = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Socket _listener;
    private readonly ulong _job;
    private readonly Action<string, string> _linkClosed;
    private readonly LinkMetrics _metrics;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private readonly HashSet<TensorLink> _strangers = [];
    private readonly Dictionary<string, TensorLink?> _links = new(StringComparer.Ordinal);
    private readonly Dictionary<TensorLink, string> _workers = [];
    private readonly Dictionary<string, Queue<Donation>> _donations = new(StringComparer.Ordinal);
    private SliceReduction? _star;
    private long _completed;
    private Rounds? _rounds;
    private VectorPool? _pool;
    private VectorSums _sums = new(1);
    private VectorBuffer? _lastAverage;
    private long _stateBytes;

    private sealed record Donation(int Generation, StateAssembly Assembly, Action<long, byte[]> Received);

    /// <summary>Listens at once.</summary>
    /// <param name="bind">Address and port; port 0 for a free one.</param>
    /// <param name="job">Fingerprint of the job.</param>
    /// <param name="linkClosed">Is told the worker whose link is closed, whoever closed it, and the reason; on the link's thread.</param>
    /// <param name="metrics">Counts bytes and refused frames.</param>
    /// <param name="log">For people.</param>
    public StarServer(IPEndPoint bind, ulong job, Action<string, string> linkClosed, LinkMetrics metrics, ILogger log)
    {
        (_job, _linkClosed, _metrics, _log) = (job, linkClosed, metrics, log);
        _listener = new(bind.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(bind);
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _ = AcceptAsync();
    }

    /// <summary>Port it listens on.</summary>
    public int Port { get; }

    /// <summary>What a link has to begin with.</summary>
    public byte[] Token { get; } = RandomNumberGenerator.GetBytes(TokenLength);

    /// <summary>Rounds completed.</summary>
    public long Completed
    {
        get { lock (_lock) return _completed; }
    }

    /// <summary>From now on a link of this worker is let in, once.</summary>
    public void Admit(string worker)
    {
        lock (_lock) _links.TryAdd(worker, null);
    }

    /// <summary>Whether the worker's link is up.</summary>
    public bool IsLinked(string worker)
    {
        lock (_lock) return _links.GetValueOrDefault(worker) is not null;
    }

    /// <summary>Closes a worker's link for good.</summary>
    public void Expel(string worker, string reason)
    {
        TensorLink? link;
        lock (_lock)
        {
            _donations.Remove(worker);
            _links.Remove(worker, out link);
            if (link is not null) _workers.Remove(link);
        }
        link?.Close(reason);
    }

    /// <summary>The sizes are known: gets ready to reduce.</summary>
    public void Open(WorkerFacts facts, Rounds rounds)
    {
        lock (_lock)
        {
            _rounds = rounds;
            _star = new(rounds, facts.Layout, isCoordinator: true);
            _pool = new(facts.Layout);
            _stateBytes = facts.StateBytes;
        }
    }

    /// <summary>Refuses everything of older generations from now on.</summary>
    /// <returns>Rounds completed.</returns>
    public long Fence(int generation)
    {
        lock (_lock)
        {
            _sums.Dispose();
            _donations.Clear();
            _star!.Fence(generation);
            return _completed;
        }
    }

    /// <summary>Puts a plan in force.</summary>
    public void Begin(Plan plan)
    {
        lock (_lock)
        {
            if (plan.FirstRound != _completed)
                throw new InvalidOperationException($"a plan from round {plan.FirstRound} after {_completed} completed rounds");
            _star!.Begin(plan, Plan.Coordinator);
            BeginRound();
        }
    }

    /// <summary>Sends the average of the last completed round once more.</summary>
    public void RepeatAverage(string worker, int generation)
    {
        lock (_lock)
        {
            if (_lastAverage is null || _links.GetValueOrDefault(worker) is not { } link) return;
            var round = _completed - 1;
            for (var slice = _lastAverage.Layout.FirstSlice(_rounds!.At(round).Kind); slice < _lastAverage.Layout.Slices; slice++)
                SendAverage(link, _lastAverage, generation, round, slice);
        }
    }

    /// <summary>The next state that this worker sends under this generation goes to <paramref name="received"/>: rounds applied, bytes.</summary>
    public void ExpectState(string donor, int generation, Action<long, byte[]> received)
    {
        lock (_lock)
        {
            if (!_donations.TryGetValue(donor, out var queue)) _donations[donor] = queue = new();
            queue.Enqueue(new(generation, new(_stateBytes), received));
        }
    }

    /// <summary>Sends a worker a state.</summary>
    public void SendState(string worker, int generation, long applied, byte[] state)
    {
        lock (_lock)
            if (_links.GetValueOrDefault(worker) is { } link) StateTransfer.Send(link, _job, generation, applied, state);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _closing.Cancel();
        _listener.Dispose();
        List<TensorLink> links;
        lock (_lock)
        {
            links = [.. _workers.Keys, .. _strangers];
            _workers.Clear();
            _links.Clear();
        }
        foreach (var link in links) link.Close("the coordinator ends");
        lock (_lock)
        {
            _sums.Dispose();
            _lastAverage?.Release();
            _lastAverage = null;
            _pool?.Dispose();
        }
    }

    /// <inheritdoc/>
    FrameTarget IFrameReceiver.Begin(TensorLink link, in FrameHeader header)
    {
        if (header.Job != _job) throw new LinkException("a frame of another job was received");
        lock (_lock)
        {
            if (!_workers.TryGetValue(link, out var worker)) return BeginHello(header);
            return header.Kind switch
            {
                FrameKind.Contribution or FrameKind.Present => BeginContribution(worker, header),
                FrameKind.State => BeginState(worker, header),
                _ => throw new LinkException($"{worker} sent a frame of kind {header.Kind}"),
            };
        }
    }

    /// <inheritdoc/>
    void IFrameReceiver.Complete(TensorLink link, in FrameHeader header, in FrameTarget target)
    {
        lock (_lock)
        {
            if (header.Kind == FrameKind.Hello) Introduce(link, target.Destination.Span);
            else if (!_workers.TryGetValue(link, out var worker)) target.Owner?.Release();
            else if (header.Kind == FrameKind.State) CompleteState(worker, header);
            else CompleteContribution(worker, header, target.Owner);
        }
    }

    /// <inheritdoc/>
    void IFrameReceiver.Closed(TensorLink link, string reason)
    {
        string? worker;
        lock (_lock)
        {
            _strangers.Remove(link);
            if (_workers.Remove(link, out worker)) _links.Remove(worker);
        }
        if (worker is not null)
        {
            _linkClosed(worker, reason);
        }
        else if (!_closing.IsCancellationRequested)
        {
            _log.LogWarning("Connection from {Peer} refused: {Reason}", link.Peer, reason);
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_closing.Token).ConfigureAwait(false);
                var link = new TensorLink(socket, this, _metrics);
                bool isTooMany;
                lock (_lock) isTooMany = !_strangers.Add(link) || _strangers.Count > MaxStrangers;
                _ = link.RunAsync();
                if (isTooMany) link.Close($"more than {MaxStrangers} connections that have not said who they are");
                else _ = CloseIfStillStrangeAsync(link);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
        {
            // The coordinator ends.
        }
        catch (SocketException error)
        {
            _log.LogError("No more links can be accepted: {Reason}", error.Message);
        }
    }

    private async Task CloseIfStillStrangeAsync(TensorLink link)
    {
        await Task.Delay(_helloTimeout, _closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        bool isStrange;
        lock (_lock) isStrange = _strangers.Contains(link);
        if (isStrange) link.Close($"it did not say who it is within {_helloTimeout.TotalSeconds} s");
    }

    private static FrameTarget BeginHello(in FrameHeader header) =>
        header is { Kind: FrameKind.Hello, Length: > TokenLength and <= MaxHelloLength }
            ? FrameTarget.Into(new byte[header.Length])
            : throw new LinkException("the connection does not begin with a greeting");

    private void Introduce(TensorLink link, ReadOnlySpan<byte> hello)
    {
        var worker = Encoding.UTF8.GetString(hello[TokenLength..]);
        if (!CryptographicOperations.FixedTimeEquals(hello[..TokenLength], Token) || !_links.TryGetValue(worker, out var known) || known is not null)
            throw new LinkException("the greeting is not one of this job");
        _strangers.Remove(link);
        _links[worker] = link;
        _workers[link] = worker;
        link.Send(new(FrameKind.Hello, _job, 0, 0, 0, default, 0), default);
    }

    private FrameTarget BeginContribution(string worker, in FrameHeader header)
    {
        if (_star is null) throw new LinkException($"{worker} sent a contribution before it was prepared");
        switch (_star.Judge(IndexOf(worker), header, out var why))
        {
            case FrameVerdict.Stale:
                _metrics.FrameRefused(MetricLabels.Stale);
                return FrameTarget.Discard;
            // Nothing comes early to a coordinator.
            case FrameVerdict.Early or FrameVerdict.Violation:
                throw new LinkException($"{worker} sent {why}");
            case FrameVerdict.Accept when header.Kind == FrameKind.Contribution:
                if (_sums.At(header.Node.First) is null) _sums.Put(header.Node.First, _pool!.Rent());
                var vector = _sums.At(header.Node.First)!;
                return FrameTarget.Into(vector.SliceMemory(header.Slice), vector.Hold());
            default:
                return FrameTarget.Into(default);
        }
    }

    private void CompleteContribution(string worker, in FrameHeader header, VectorBuffer? vector)
    {
        vector?.Release();
        // The plan may have changed while the payload came in.
        if (_star!.Judge(IndexOf(worker), header, out _) != FrameVerdict.Accept) return;
        var round = _star.Current!.Value;
        if (header.Kind == FrameKind.Present) _star.ArrivePresent(IndexOf(worker));
        else _star.Arrive(IndexOf(worker), header.Node, header.Slice, _sums);
        var root = _sums.At(0);
        while (_star.TryNextComplete(out var slice))
        {
            VectorSums.Average(root!, slice, round.Samples);
            foreach (var link in _workers.Keys)
                if (_star.Plan!.Includes(_workers[link])) SendAverage(link, root!, header.Generation, round.Number, slice);
        }
        if (!_star.IsComplete) return;
        _lastAverage?.Release();
        _lastAverage = _sums.Take(0);
        _completed++;
        BeginRound();
    }

    private int IndexOf(string worker) => _star!.Plan is { } plan && plan.Includes(worker) ? plan.IndexOf(worker) : Plan.Coordinator;

    private void BeginRound()
    {
        _sums.Dispose();
        _star!.Enter(_completed);
        if (_star.Current is { } round) _sums = new(round.MicroBatches);
    }

    private void SendAverage(TensorLink link, VectorBuffer average, int generation, long round, int slice)
    {
        var payload = average.SliceMemory(slice);
        link.Send(new(FrameKind.Average, _job, generation, round, slice, default, payload.Length), payload, average);
    }

    private FrameTarget BeginState(string worker, in FrameHeader header)
    {
        if (header.Generation < _star?.Generation) return FrameTarget.Discard;
        return _donations.TryGetValue(worker, out var queue) && queue.TryPeek(out var donation) && donation.Generation == header.Generation
            ? FrameTarget.Into(donation.Assembly.Begin(header))
            : throw new LinkException($"{worker} sent a state that nobody asked for");
    }

    private void CompleteState(string worker, in FrameHeader header)
    {
        if (!_donations.TryGetValue(worker, out var queue) || !queue.TryPeek(out var donation) || donation.Generation != header.Generation) return;
        if (donation.Assembly.Complete() is not { } state) return;
        queue.Dequeue();
        donation.Received(header.Round, state);
    }
}
