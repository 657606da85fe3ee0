using System.Collections.Immutable;
using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Training;

/// <summary>Who wants to know what comes over a worker's links; called under their gate, must not wait.</summary>
internal interface IExchangeObserver
{
    /// <summary>The expected average is complete: <see cref="Exchange.TakeAverage"/> has it.</summary>
    void AverageComplete();

    void StateArrived(int generation, long applied, byte[] state);

    /// <summary>The file with the parameters to begin with has come.</summary>
    void InitialArrived(byte[] file);

    /// <summary>The link to the coordinator is closed; nothing comes any more.</summary>
    void CoordinatorLinkClosed(string reason);

    /// <summary>The link to another worker of the plan is closed, or could not be made.</summary>
    void PeerLinkClosed(int generation, string peer, string reason);
}

/// <summary>What an <see cref="Exchange"/> works with.</summary>
/// <param name="Identity">Job, token and name to greet peers with.</param>
/// <param name="Pool">Where averages are put.</param>
/// <param name="StateBytes">Bytes that a state has.</param>
/// <param name="Metrics">Counts bytes and refused frames.</param>
internal sealed record ExchangeOptions(
    LinkIdentity Identity, Rounds Rounds, VectorPool Pool, long StateBytes, WireFormat Wire, LinkOptions Links, LinkMetrics? Metrics)
{
    /// <summary>Bytes of the file with the parameters to begin with; 0 where none comes.</summary>
    public long InitialBytes { get; init; }
}

/// <summary>
/// A worker's end of the third move, in both topologies: slices of its sums go to who owns them, those that it owns itself
/// it reduces and sends on, and the averages come back. A worker alone in a mesh uses no link.
/// </summary>
internal sealed class Exchange : ILinkHandler, IDisposable
{
    /// <summary>
    /// How long a waiting thread moves frames itself when none come, before it leaves that to the links' own: a few times what
    /// a wake-up costs, and no longer, since another process may need the processor to bring forth what is waited for.
    /// </summary>
    private static readonly long _patience = Stopwatch.Frequency / 2000;

    /// <summary>Tries that it makes all the same: the time may have passed while another process had the processor.</summary>
    private const int MinTries = 100;

    private readonly ExchangeOptions _options;
    private readonly IExchangeObserver _observer;
    private readonly TensorLinks _links;
    private readonly AllReduce _allReduce;
    private readonly Dictionary<string, IFramePipe> _early = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _closing = new();
    private TensorLink? _coordinator;
    private TensorLink?[] _peers = [];
    private int _self;
    private int _linked;
    private StateAssembly? _state;
    private StateAssembly? _initial;
    private bool _isDisposed;

    /// <summary>An exchange without links.</summary>
    public Exchange(ExchangeOptions options, IExchangeObserver observer)
    {
        (_options, _observer) = (options, observer);
        _links = new(this, options.Metrics);
        _allReduce = new(_links, Job, options.Rounds, options.Pool, options.Wire, isCoordinator: false, options.Metrics);
    }

    /// <summary>Bytes of contributions that have left over links, since the start.</summary>
    public long ContributionBytesSent
    {
        get { lock (_links.Gate) return _links.ContributionBytesSent; }
    }

    /// <summary>Time spent reducing slices, since the start, on whatever thread.</summary>
    public TimeSpan Reducing
    {
        get { lock (_links.Gate) return _allReduce.Reducing; }
    }

    /// <summary>The link to the coordinator stands, perhaps to another one than before.</summary>
    public void Connect(IFramePipe coordinator)
    {
        lock (_links.Gate)
        {
            // A plan of a star ends with the link that it began with: the next coordinator knows nothing of it.
            if (_coordinator is { } former) _links.Remove(former);
            _links.Open(_coordinator = _links.Add("the coordinator"), coordinator);
        }
    }

    /// <summary>Another worker has connected. It may know of the plan sooner than this one.</summary>
    public void Accept(string peer, IFramePipe pipe)
    {
        lock (_links.Gate)
        {
            if (_isDisposed)
            {
                pipe.Dispose();
                return;
            }
            if (LinkOf(peer) is { IsOpen: false, IsClosed: false } awaited)
            {
                _links.Open(awaited, pipe);
                return;
            }
            // It connects anew where this end has not noticed yet that the old connection is broken.
            if (_early.Remove(peer, out var former)) former.Dispose();
            _early[peer] = pipe;
            if (LinkOf(peer) is { } broken) _links.Close(broken, $"{peer} has connected anew");
        }
    }

    /// <summary>Refuses everything of older generations from now on.</summary>
    public void Fence(int generation)
    {
        lock (_links.Gate)
        {
            _state = null;
            _allReduce.Fence(generation);
        }
    }

    /// <summary>A plan is in force. Links that it needs are made, others closed.</summary>
    /// <param name="plan">Has a part for this worker.</param>
    /// <param name="endpoints">Where the links of its workers are reached, in the plan's order.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
        lock (_links.Gate)
        {
            _self = plan.IndexOf(_options.Identity.Name);
            if (plan.Topology == Topology.Mesh) LinkPeers(plan, endpoints);
            _allReduce.Begin(plan, _self, _peers, _coordinator);
        }
    }

    /// <summary>Takes up a round of the plan: its average is awaited from now on, and no other.</summary>
    public void Enter(long round)
    {
        lock (_links.Gate)
        {
            _allReduce.Enter(round);
            Progress();
        }
    }

    /// <summary>Takes in slices of a node's sum, see <see cref="AllReduce.Contribute"/>.</summary>
    public void Contribute(TreeNode node, int first, int count, VectorBuffer sum, bool isRepeated = false)
    {
        lock (_links.Gate)
        {
            _allReduce.Contribute(node, first, count, sum, isRepeated);
            if (_allReduce.IsComplete) _observer.AverageComplete();
            Progress();
        }
    }

    /// <summary>Says that this worker, which has nothing to compute in the round, has reached it.</summary>
    public void SendPresent()
    {
        lock (_links.Gate)
        {
            _allReduce.SendPresent();
            Progress();
        }
    }

    /// <summary>Moves frames on the caller's thread for as long as it seems worth while.</summary>
    /// <param name="isWanted">Whether something else is to be done.</param>
    public bool Await(Func<bool> isWanted)
    {
        if (_allReduce.IsComplete) return true;
        _links.BeginHelp();
        var isComplete = false;
        try
        {
            var idle = 0;
            for (var last = Stopwatch.GetTimestamp(); !isWanted() && (idle < MinTries || Stopwatch.GetTimestamp() - last < _patience);)
            {
                bool hasMoved;
                lock (_links.Gate)
                {
                    hasMoved = _links.Move();
                    if (_allReduce.IsComplete) return isComplete = true;
                }
                if (hasMoved) (idle, last) = (0, Stopwatch.GetTimestamp());
                else if (++idle < 32) Thread.SpinWait(16);
                else Thread.Yield();
            }
            return false;
        }
        finally
        {
            // The next round is computed first.
            _links.EndHelp(isBusy: isComplete);
        }
    }

    /// <summary>The average that has arrived, see <see cref="AllReduce.TakeAverage"/>.</summary>
    public VectorBuffer TakeAverage()
    {
        lock (_links.Gate) return _allReduce.TakeAverage();
    }

    /// <summary>Queues this replica's state for the coordinator.</summary>
    public void SendState(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            if (_coordinator is null) return;
            StateTransfer.Send(_links, _coordinator, Job, generation, applied, state);
            _links.Push();
        }
    }

    /// <summary>Whether a checkpoint is still on its way to the coordinator.</summary>
    public bool IsSendingCheckpoint
    {
        get { lock (_links.Gate) return _coordinator is { HasBackground: true }; }
    }

    /// <summary>Queues a state that the coordinator is to store, behind all that others wait for.</summary>
    public void SendCheckpoint(int generation, long applied, byte[] state)
    {
        lock (_links.Gate)
        {
            if (_coordinator is null) return;
            StateTransfer.SendCheckpoint(_links, _coordinator, Job, generation, applied, state);
            _links.Push();
        }
    }

    public void Dispose()
    {
        _closing.Cancel();
        lock (_links.Gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (var pipe in _early.Values) pipe.Dispose();
            _early.Clear();
        }
        _links.Dispose();
        _allReduce.Dispose();
    }

    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Job != Job) throw new LinkException($"{link.Peer} sent a frame of another job");
        return header.Kind switch
        {
            FrameKind.Average => Exchanged(link, header, payload),
            FrameKind.Contribution or FrameKind.Present when link != _coordinator => Exchanged(link, header, payload),
            _ when header.Generation < _allReduce.Generation => Stale(),
            FrameKind.State when link == _coordinator => ReceiveState(header, payload),
            FrameKind.Initial when link == _coordinator => ReceiveInitial(header, payload),
            _ => throw new LinkException($"{link.Peer} sent a frame of kind {header.Kind}"),
        };
    }

    void ILinkHandler.Closed(TensorLink link, string reason)
    {
        if (_isDisposed) return;
        if (link == _coordinator) _observer.CoordinatorLinkClosed(reason);
        else if (LinkOf(link.Peer) == link) _observer.PeerLinkClosed(_linked, link.Peer, reason);
    }

    private ulong Job => _options.Identity.Job;

    private void LinkPeers(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
        _linked = plan.Generation;
        var former = _peers;
        _peers = new TensorLink?[plan.Workers.Length];
        for (var i = 0; i < _peers.Length; i++)
        {
            if (i == _self) continue;
            var peer = plan.Workers[i];
            _peers[i] = Array.Find(former, link => link is { IsClosed: false } && link.Peer == peer) ?? NewLink(peer, endpoints[i]);
            _peers[i]!.Index = i;
        }
        foreach (var link in former)
            if (link is not null && Array.IndexOf(_peers, link) < 0) _links.Remove(link);
        foreach (var (peer, pipe) in _early)
        {
            if (plan.Includes(peer)) continue;
            pipe.Dispose();
            _early.Remove(peer);
        }
    }

    private TensorLink NewLink(string peer, LinkEndpoint endpoint)
    {
        var link = _links.Add(peer);
        if (_early.Remove(peer, out var pipe)) _links.Open(link, pipe);
        // One of the two connects; not here, where a refusal that comes at once would find the link without its place among the peers.
        else if (string.CompareOrdinal(_options.Identity.Name, peer) < 0) _ = Task.Run(() => ConnectAsync(link, endpoint));
        return link;
    }

    private async Task ConnectAsync(TensorLink link, LinkEndpoint endpoint)
    {
        try
        {
            var pipe = await LinkHandshake.ConnectAsync(endpoint.Host, endpoint.Port, _options.Identity, _options.Links, _closing.Token).ConfigureAwait(false);
            lock (_links.Gate)
            {
                if (link.IsClosed || _isDisposed) pipe.Dispose();
                else _links.Open(link, pipe);
            }
        }
        catch (LinkException error)
        {
            lock (_links.Gate)
            {
                if (link.IsClosed || _isDisposed) return;
                _links.Close(link, error.Message);
            }
        }
        catch (OperationCanceledException)
        {
            // The worker ends.
        }
    }

    private TensorLink? LinkOf(string peer) => Array.Find(_peers, link => link?.Peer == peer);

    private bool Stale()
    {
        _options.Metrics?.Stale();
        return true;
    }

    private bool Exchanged(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var wasComplete = _allReduce.IsComplete;
        if (!_allReduce.Receive(link, header, payload)) return false;
        if (!wasComplete && _allReduce.IsComplete) _observer.AverageComplete();
        return true;
    }

    private bool ReceiveState(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if ((_state ??= new(_options.StateBytes)).Take(header, payload) is not { } state) return true;
        _state = null;
        _observer.StateArrived(header.Generation, header.Round, state);
        return true;
    }

    private bool ReceiveInitial(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_options.InitialBytes == 0) throw new LinkException("parameters to begin with were received that nobody had announced");
        if ((_initial ??= new(_options.InitialBytes)).Take(header, payload) is { } file) _observer.InitialArrived(file);
        return true;
    }

    /// <summary>What was queued leaves as far as there is room now.</summary>
    private void Progress()
    {
        if (_allReduce.Plan is not { Topology: Topology.Star } && _peers.Length < 2) return;
        _links.Push();
    }
}
