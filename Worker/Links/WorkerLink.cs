using System.Net.Sockets;
using System.Text;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Metrics;

namespace Distributed.Worker.Links;

/// <summary>Who wants to know what comes over a worker's link; called on the link's thread.</summary>
public interface IWorkerLinkObserver
{
    /// <summary>The expected average is complete: <see cref="WorkerLink.TakeAverage"/> has it.</summary>
    void AverageArrived(int generation, long round);

    /// <summary>A peer's state has come.</summary>
    void StateArrived(int generation, long applied, byte[] state);

    /// <summary>The link is closed; nothing comes any more.</summary>
    void LinkClosed(string reason);
}

/// <summary>A worker's end of the topology `star`: sums out, averages and states in.</summary>
public sealed class WorkerLink : IFrameReceiver, IDisposable
{
    private static readonly TimeSpan _greetingTimeout = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly ulong _job;
    private readonly VectorPool _pool;
    private readonly long _stateBytes;
    private readonly IWorkerLinkObserver _observer;
    private readonly LinkMetrics _metrics;
    private readonly TaskCompletionSource _greeted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TensorLink? _link;
    private StateAssembly? _state;
    private VectorBuffer? _average;
    private HashSet<int> _missing = [];
    private (int Generation, long Round) _expected;

    /// <summary>A link that is not connected yet.</summary>
    /// <param name="job">Fingerprint of the job.</param>
    /// <param name="pool">Where received averages are put.</param>
    /// <param name="stateBytes">Bytes that a state has.</param>
    /// <param name="observer">Is told what comes.</param>
    /// <param name="metrics">Counts bytes and refused frames.</param>
    public WorkerLink(ulong job, VectorPool pool, long stateBytes, IWorkerLinkObserver observer, LinkMetrics metrics) =>
        (_job, _pool, _stateBytes, _observer, _metrics) = (job, pool, stateBytes, observer, metrics);

    /// <summary>Connects, says who this is, and waits for the answer.</summary>
    /// <exception cref="LinkException">The other end cannot be reached, or refuses.</exception>
    public async Task ConnectAsync(string host, int port, byte[] token, string worker, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(host, port, cancellation).AsTask().WaitAsync(_greetingTimeout, cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is SocketException or TimeoutException)
        {
            socket.Dispose();
            throw new LinkException($"the coordinator's link at {host}:{port} cannot be reached: {error.Message}", error);
        }
        _link = new(socket, this, _metrics);
        _ = _link.RunAsync();
        byte[] hello = [.. token, .. Encoding.UTF8.GetBytes(worker)];
        _link.Send(new(FrameKind.Hello, _job, 0, 0, 0, default, hello.Length), hello);
        try
        {
            await _greeted.Task.WaitAsync(_greetingTimeout, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException error)
        {
            throw new LinkException($"the coordinator's link at {host}:{port} does not answer", error);
        }
    }

    /// <summary>From now on the average of this round under this generation is awaited, and no other.</summary>
    /// <param name="generation">Generation of the plan.</param>
    /// <param name="round">Number of the round.</param>
    /// <param name="firstSlice">First of the slices that the round exchanges.</param>
    public void Expect(int generation, long round, int firstSlice)
    {
        lock (_lock)
        {
            _expected = (generation, round);
            _missing = [.. Enumerable.Range(firstSlice, _pool.Layout.Slices - firstSlice)];
            _state = null;
            _average?.Release();
            _average = _pool.Rent();
        }
    }

    /// <summary>The average that has arrived, with the hold on it.</summary>
    public VectorBuffer TakeAverage()
    {
        lock (_lock)
        {
            var average = _average is not null && _missing.Count == 0 ? _average : throw new InvalidOperationException("no average is complete");
            _average = null;
            return average;
        }
    }

    /// <summary>Queues the sum of a node, slice by slice.</summary>
    public void SendSum(int generation, long round, TreeNode node, VectorBuffer sum, int firstSlice)
    {
        for (var slice = firstSlice; slice < sum.Layout.Slices; slice++)
        {
            var payload = sum.SliceMemory(slice);
            _link!.Send(new(FrameKind.Contribution, _job, generation, round, slice, node, payload.Length), payload, sum);
        }
    }

    /// <summary>Says that this worker, which has nothing to compute in the round, has reached it.</summary>
    public void SendPresent(int generation, long round) =>
        _link!.Send(new(FrameKind.Present, _job, generation, round, 0, default, 0), default);

    /// <summary>Queues this replica's state.</summary>
    public void SendState(int generation, long applied, byte[] state) => StateTransfer.Send(_link!, _job, generation, applied, state);

    /// <inheritdoc/>
    public void Dispose()
    {
        _link?.Close("the worker ends");
        lock (_lock)
        {
            _average?.Release();
            _average = null;
        }
    }

    /// <inheritdoc/>
    FrameTarget IFrameReceiver.Begin(TensorLink link, in FrameHeader header)
    {
        if (header.Job != _job) throw new LinkException("a frame of another job was received");
        lock (_lock)
        {
            return header.Kind switch
            {
                FrameKind.Hello => FrameTarget.Into(default),
                _ when header.Generation < _expected.Generation => Stale(),
                FrameKind.Average => BeginAverage(header),
                FrameKind.State => FrameTarget.Into((_state ??= new(_stateBytes)).Begin(header)),
                _ => throw new LinkException($"the coordinator sent a frame of kind {header.Kind}"),
            };
        }
    }

    /// <inheritdoc/>
    void IFrameReceiver.Complete(TensorLink link, in FrameHeader header, in FrameTarget target)
    {
        target.Owner?.Release();
        if (header.Kind == FrameKind.Hello) _greeted.TrySetResult();
        else if (header.Kind == FrameKind.Average) CompleteAverage(header);
        else CompleteState(header);
    }

    /// <inheritdoc/>
    void IFrameReceiver.Closed(TensorLink link, string reason)
    {
        if (!_greeted.TrySetException(new LinkException($"the coordinator refused this worker's link: {reason}"))) _observer.LinkClosed(reason);
    }

    private FrameTarget Stale()
    {
        _metrics.FrameRefused(MetricLabels.Stale);
        return FrameTarget.Discard;
    }

    private FrameTarget BeginAverage(in FrameHeader header)
    {
        if ((header.Generation, header.Round) != _expected)
            throw new LinkException($"the average of round {header.Round}, generation {header.Generation} received, {_expected} expected");
        if (!_missing.Contains(header.Slice)) throw new LinkException($"slice {header.Slice} of the average received, which is not awaited");
        return FrameTarget.Into(_average!.SliceMemory(header.Slice), _average.Hold());
    }

    private void CompleteAverage(in FrameHeader header)
    {
        lock (_lock)
        {
            // A halt may have come while the payload came in.
            if ((header.Generation, header.Round) != _expected) return;
            if (!_missing.Remove(header.Slice) || _missing.Count > 0) return;
        }
        _observer.AverageArrived(header.Generation, header.Round);
    }

    private void CompleteState(in FrameHeader header)
    {
        byte[]? state;
        lock (_lock)
        {
            state = _state?.Complete();
            if (state is not null) _state = null;
        }
        if (state is not null) _observer.StateArrived(header.Generation, header.Round, state);
    }
}
