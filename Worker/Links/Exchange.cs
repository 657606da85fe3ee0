using System.Collections.Immutable;
using System.Diagnostics;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Links;

/// <summary>Who wants to know what comes over a worker's links; called under their gate, must not wait.</summary>
public interface IExchangeObserver
{
    /// <summary>The expected average is complete: <see cref="Exchange.TakeAverage"/> has it.</summary>
    void AverageComplete();

    /// <summary>A peer's state has come.</summary>
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
/// <param name="Rounds">The job's rounds.</param>
/// <param name="Pool">Where averages are put.</param>
/// <param name="StateBytes">Bytes that a state has.</param>
/// <param name="Wire">How slices travel.</param>
/// <param name="Links">How links are made.</param>
/// <param name="Metrics">Counts bytes and refused frames.</param>
public sealed record ExchangeOptions(
    LinkIdentity Identity, Rounds Rounds, VectorPool Pool, long StateBytes, WireFormat Wire, LinkOptions Links, LinkMetrics? Metrics)
{
    /// <summary>Bytes of the file with the parameters to begin with; 0 where none comes.</summary>
    public long InitialBytes { get; init; }
}

/// <summary>
/// A worker's end of the third move, in both topologies: slices of its sums go to who owns them, those that it owns itself
/// it reduces and sends on, and the averages come back. A worker alone in a mesh uses no link.
/// </summary>
public sealed class Exchange : ILinkHandler, IDisposable
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
    private readonly VectorLayout _layout;
    private readonly SliceReduction _rules;
    private readonly Reducer _reducer;
    private readonly Dictionary<string, IFramePipe> _early = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _closing = new();
    private readonly WireCopies _copies;
    private TensorLink? _coordinator;
    private TensorLink?[] _peers = [];
    private Plan? _begun;
    private Plan? _plan;
    private int _self;
    private (int Generation, long Round) _expected;
    private StateAssembly? _state;
    private StateAssembly? _initial;
    private VectorBuffer? _average;
    private readonly bool[] _awaited;
    private int _missing;
    private bool _isDisposed;

    /// <summary>An exchange without links.</summary>
    public Exchange(ExchangeOptions options, IExchangeObserver observer)
    {
        (_options, _observer, _layout) = (options, observer, options.Pool.Layout);
        _rules = new(options.Rounds, _layout, isCoordinator: false, options.Wire.IsHalf);
        _reducer = new(_rules, _layout, options.Wire);
        _copies = new(options.Wire, options.Pool);
        _awaited = new bool[_layout.Slices];
        _links = new(this, options.Metrics);
    }

    /// <summary>Bytes of contributions that have left over links, since the start.</summary>
    public long ContributionBytesSent
    {
        get { lock (_links.Gate) return _links.ContributionBytesSent; }
    }

    /// <summary>Time spent reducing slices, since the start, on whatever thread.</summary>
    public TimeSpan Reducing
    {
        get { lock (_links.Gate) return _reducer.Spent; }
    }

    /// <summary>The link to the coordinator stands, perhaps to another one than before.</summary>
    public void Connect(IFramePipe coordinator)
    {
        lock (_links.Gate)
        {
            if (_coordinator is { } former)
            {
                _links.Remove(former);
                // The reducer of a star begins anew with the next plan, and knows nothing of this one.
                if (_begun?.Topology == Topology.Star) (_begun, _plan) = (null, null);
            }
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

    /// <summary>A plan is in force. Links that it needs are made, others closed.</summary>
    /// <param name="plan">Has a part for this worker.</param>
    /// <param name="endpoints">Where the links of its workers are reached, in the plan's order.</param>
    public void Begin(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
        lock (_links.Gate)
        {
            _begun = plan;
            _self = plan.IndexOf(_options.Identity.Name);
            _links.DropOlderThan(plan.Generation);
            if (plan.Topology == Topology.Mesh) LinkPeers(plan, endpoints);
        }
    }

    /// <summary>From now on the average of this round under this generation is awaited, and no other.</summary>
    public void Expect(int generation, long round)
    {
        lock (_links.Gate)
        {
            _state = null;
            _average?.Release();
            _average = _options.Pool.Rent();
            _copies.Clear();
            if (generation > _expected.Generation) Fence(generation);
            if (_begun?.Generation == generation && _plan is null) _rules.Begin(_plan = _begun, _self);
            if (_plan is null) _reducer.Clear();
            else _reducer.Enter(round, _average);
            _expected = (generation, round);
            Await(round);
            Progress();
        }
    }

    /// <summary>Takes in slices of a node's sum: its own to reduce, the others to be sent to their owners.</summary>
    /// <param name="node">What is summed.</param>
    /// <param name="first">First of the slices.</param>
    /// <param name="count">How many.</param>
    /// <param name="sum">Where they lie; these slices do not change before the round is over.</param>
    /// <param name="isRepeated">Whether they were computed under an earlier plan.</param>
    public void Contribute(TreeNode node, int first, int count, VectorBuffer sum, bool isRepeated = false)
    {
        lock (_links.Gate)
        {
            if (_plan is null) return;
            var sent = 0;
            for (var slice = first; slice < first + count; slice++)
            {
                var owner = _plan.OwnerOf(slice);
                if (owner == _self) _reducer.ArriveOwn(_self, node, slice, sum);
                else if (LinkTo(owner) is { } link)
                {
                    SendSlice(link, FrameKind.Contribution, node, slice, sum, FramePriority.Normal);
                    sent++;
                }
            }
            if (isRepeated) _options.Metrics?.Resent(sent);
            HandOut();
            Progress();
        }
    }

    /// <summary>Says that this worker, which has nothing to compute in the round, has reached it.</summary>
    public void SendPresent()
    {
        lock (_links.Gate)
        {
            if (_plan is null) return;
            var first = FirstSlice(_expected.Round);
            var owners = _plan.Topology == Topology.Star ? 1 : Math.Min(_plan.Workers.Length, _layout.Slices - first);
            // In a mesh neighbouring slices have different owners.
            for (var slice = first; slice < first + owners; slice++)
            {
                if (_plan.OwnerOf(slice) is var owner && owner != _self && LinkTo(owner) is { } link)
                    _links.Send(link, new(FrameKind.Present, Job, _expected.Generation, _expected.Round, 0, default, 0), default);
            }
            Progress();
        }
    }

    /// <summary>Moves frames on the caller's thread for as long as it seems worth while.</summary>
    /// <param name="isWanted">Whether something else is to be done.</param>
    /// <returns>Whether the average is complete.</returns>
    public bool Await(Func<bool> isWanted)
    {
        if (IsComplete) return true;
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
                    if (IsComplete) return isComplete = true;
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

    /// <summary>The average that has arrived, with the hold on it, and with it the end of the round. While it is on its way to others
    /// it is shared, and must not change.</summary>
    public VectorBuffer TakeAverage()
    {
        lock (_links.Gate)
        {
            var average = IsComplete ? _average! : throw new InvalidOperationException("no average is complete");
            _average = null;
            _reducer.Clear();
            return average;
        }
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

    /// <inheritdoc/>
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
        _copies.Clear();
        _reducer.Dispose();
        _average?.Release();
        _average = null;
    }

    /// <inheritdoc/>
    bool ILinkHandler.Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Job != Job) throw new LinkException($"{link.Peer} sent a frame of another job");
        if (header.Generation < _expected.Generation) return Stale();
        return header.Kind switch
        {
            FrameKind.Average => ReceiveAverage(link, header, payload),
            FrameKind.Contribution or FrameKind.Present when link != _coordinator => ReceiveContribution(link, header, payload),
            FrameKind.State when link == _coordinator => ReceiveState(header, payload),
            FrameKind.Initial when link == _coordinator => ReceiveInitial(header, payload),
            _ => throw new LinkException($"{link.Peer} sent a frame of kind {header.Kind}"),
        };
    }

    /// <inheritdoc/>
    void ILinkHandler.Closed(TensorLink link, string reason)
    {
        if (_isDisposed) return;
        if (link == _coordinator) _observer.CoordinatorLinkClosed(reason);
        else if (_begun is { } plan && LinkOf(link.Peer) == link) _observer.PeerLinkClosed(plan.Generation, link.Peer, reason);
    }

    private ulong Job => _options.Identity.Job;

    private bool IsComplete => _average is not null && _missing == 0;

    private int FirstSlice(long round) => round < _options.Rounds.Count ? _layout.FirstSlice(_options.Rounds.At(round).Kind) : 0;

    private void Fence(int generation)
    {
        _plan = null;
        _rules.Fence(generation);
        _links.DropOlderThan(generation);
    }

    private void Await(long round)
    {
        var first = FirstSlice(round);
        _awaited.AsSpan(0, first).Clear();
        _awaited.AsSpan(first).Fill(true);
        _missing = _layout.Slices - first;
    }

    private void LinkPeers(Plan plan, ImmutableArray<LinkEndpoint> endpoints)
    {
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

    private TensorLink? LinkTo(int owner) => owner == Plan.Coordinator ? _coordinator : _peers[owner];

    private bool Stale()
    {
        _options.Metrics?.FrameRefused(MetricLabels.Stale);
        return true;
    }

    private bool ReceiveContribution(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (_rules.Judge(link.Index, header, out var why))
        {
            case FrameVerdict.Early:
                return false;
            case FrameVerdict.Stale:
                return Stale();
            case FrameVerdict.Violation:
                throw new LinkException($"{link.Peer} sent {why}");
        }
        if (header.Kind == FrameKind.Present) _rules.ArrivePresent(link.Index);
        else _reducer.Arrive(link.Index, header.Node, header.Slice, payload);
        HandOut();
        return true;
    }

    private void HandOut()
    {
        while (_rules.TryNextComplete(out var slice))
        {
            foreach (var peer in _peers)
                if (peer is not null) SendSlice(peer, FrameKind.Average, default, slice, _average!, FramePriority.Urgent);
            Arrived(slice);
        }
    }

    private bool ReceiveAverage(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if ((header.Generation, header.Round) != _expected)
        {
            if (header.Generation == _expected.Generation && header.Round < _expected.Round) return Stale();
            throw new LinkException($"{link.Peer} sent the average of round {header.Round}, generation {header.Generation}; {_expected} is expected");
        }
        if ((uint)header.Slice >= (uint)_awaited.Length || !_awaited[header.Slice])
            throw new LinkException($"{link.Peer} sent slice {header.Slice} of the average, which is not awaited");
        if (link != _coordinator && _plan?.OwnerOf(header.Slice) != link.Index)
            throw new LinkException($"{link.Peer} sent slice {header.Slice} of the average, which is not its own");
        if (payload.Length != _layout.WireBytesOf(header.Slice, _options.Wire.IsHalf))
            throw new LinkException($"{link.Peer} sent slice {header.Slice} with {payload.Length} bytes");
        _options.Wire.Read(payload, header.Slice, _average!);
        Arrived(header.Slice);
        return true;
    }

    private void Arrived(int slice)
    {
        _awaited[slice] = false;
        if (--_missing == 0) _observer.AverageComplete();
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

    private void SendSlice(TensorLink link, FrameKind kind, TreeNode node, int slice, VectorBuffer vector, FramePriority priority)
    {
        var (payload, owner) = _copies.Of(vector, slice);
        _links.Send(link, new(kind, Job, _expected.Generation, _expected.Round, slice, node, payload.Length), payload, owner, priority);
    }

    /// <summary>What was queued leaves as far as there is room now.</summary>
    private void Progress()
    {
        if (_plan is not { Topology: Topology.Star } && _peers.Length < 2) return;
        _links.Push();
    }
}
