using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>
/// The third move in both topologies, at every process that takes part: slices of a worker's sums go to their owners, an
/// owner reduces them and sends the averages to the others. <see cref="RoundExchange"/> decides; this has the buffers and
/// the links. Belongs to its <see cref="TensorLinks"/>; used under their gate.
/// </summary>
internal sealed class AllReduce : IDisposable
{
    private readonly TensorLinks _links;
    private readonly ulong _job;
    private readonly VectorPool _pool;
    private readonly RoundExchange _exchange;
    private readonly Reducer _reducer;
    private readonly WireCopies _copies;
    private readonly ILinkMetrics? _metrics;
    private TensorLink?[] _workers = [];
    private TensorLink? _coordinator;
    private VectorBuffer? _average;
    private int _self;

    /// <summary>An all-reduce before its first plan.</summary>
    /// <param name="pool">Where averages are put.</param>
    /// <param name="isCoordinator">Whether this is the coordinator of a star, else a worker.</param>
    /// <param name="metrics">Counts frames; null for nothing.</param>
    public AllReduce(TensorLinks links, ulong job, Rounds rounds, VectorPool pool, WireFormat wire, bool isCoordinator, ILinkMetrics? metrics)
    {
        (_links, _job, _pool, _metrics) = (links, job, pool, metrics);
        _exchange = new(rounds, pool.Layout, isCoordinator, wire.IsBfloat16);
        _reducer = new(_exchange, pool.Layout, wire);
        _copies = new(wire, pool);
    }

    /// <summary>The newest generation that it has heard of; frames of older ones are stale.</summary>
    public int Generation => _exchange.Generation;

    public long Round => _exchange.Round;

    /// <summary>The plan in force; null after a fence.</summary>
    public Plan? Plan => _exchange.Plan;

    /// <summary>Whether the average of the round is here.</summary>
    public bool IsComplete => _average is not null && _exchange.IsComplete;

    /// <summary>Time spent reducing slices, since the start, on whatever thread.</summary>
    public TimeSpan Reducing => _reducer.Spent;

    /// <summary>Refuses everything of older generations from now on.</summary>
    public void Fence(int generation)
    {
        LeaveRound();
        _exchange.Fence(generation);
        _links.DropOlderThan(generation);
    }

    /// <summary>Takes up a plan. <see cref="Enter"/> with its first round comes next.</summary>
    /// <param name="self">Index of this process in its workers, or <see cref="Core.Planning.Plan.Coordinator"/>.</param>
    /// <param name="workers">The links to its workers, in its order; null for this process, and where it needs none.</param>
    /// <param name="coordinator">The link to the coordinator; null at the coordinator.</param>
    public void Begin(Plan plan, int self, TensorLink?[] workers, TensorLink? coordinator)
    {
        LeaveRound();
        _exchange.Begin(plan, self);
        _links.DropOlderThan(plan.Generation);
        (_self, _workers, _coordinator) = (self, workers, coordinator);
    }

    /// <summary>Takes up a round of the plan; what is left of the one before is let go of.</summary>
    public void Enter(long round)
    {
        LeaveRound();
        _average = _pool.Rent();
        _reducer.Enter(round, _average);
    }

    /// <summary>Takes in slices of a node's sum: its own to reduce, the others to be sent to their owners.</summary>
    /// <param name="sum">Where they lie; these slices do not change before the round is over.</param>
    /// <param name="isRepeated">Whether they were computed under an earlier plan.</param>
    public void Contribute(TreeNode node, int first, int count, VectorBuffer sum, bool isRepeated)
    {
        if (_exchange.Plan is not { } plan) return;
        var sent = 0;
        for (var slice = first; slice < first + count; slice++)
        {
            var owner = plan.OwnerOf(slice);
            if (owner == _self) _reducer.ArriveOwn(_self, node, slice, sum);
            else if (LinkTo(owner) is { } link)
            {
                Send(link, FrameKind.Contribution, node, slice, sum, FramePriority.Normal);
                sent++;
            }
        }
        if (isRepeated) _metrics?.Resent(sent);
        HandOut();
    }

    /// <summary>Says that this worker, which has nothing to compute in the round, has reached it.</summary>
    public void SendPresent()
    {
        if (_exchange is not { Plan: { } plan, Current: { } round }) return;
        var first = _pool.Layout.FirstSlice(round.Kind);
        // Neighbouring slices of a mesh have different owners.
        var owners = plan.Topology == Topology.Star ? 1 : Math.Min(plan.Workers.Length, _pool.Layout.Slices - first);
        for (var slice = first; slice < first + owners; slice++)
        {
            if (plan.OwnerOf(slice) is var owner && owner != _self && LinkTo(owner) is { } link)
                _links.Send(link, new(FrameKind.Present, _job, Generation, Round, 0, default, 0), default);
        }
    }

    /// <summary>Takes in a frame of the all-reduce.</summary>
    /// <returns>False where it is too early for it: it stays where it is.</returns>
    /// <exception cref="LinkException">No correct peer sends it.</exception>
    public bool Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (_exchange.Classify(link.Index, header, out var why))
        {
            case FrameVerdict.Early:
                return false;
            case FrameVerdict.Stale:
                _metrics?.Stale();
                return true;
            case FrameVerdict.Violation:
                throw new LinkException($"{link.Peer} sent {why}");
        }
        switch (header.Kind)
        {
            case FrameKind.Average:
                _reducer.Wire.Read(payload, header.Slice, _average!);
                _exchange.ArriveAverage(header.Slice);
                break;
            case FrameKind.Present:
                _exchange.ArrivePresent(link.Index);
                HandOut();
                break;
            default:
                _reducer.Arrive(link.Index, header.Node, header.Slice, payload);
                HandOut();
                break;
        }
        return true;
    }

    /// <summary>The average that is complete, with the hold on it, and with it the end of the round. While it is on its way to others
    /// it is shared, and must not change.</summary>
    public VectorBuffer TakeAverage()
    {
        var average = IsComplete ? _average! : throw new InvalidOperationException("no average is complete");
        _average = null;
        _reducer.Clear();
        return average;
    }

    public void Dispose()
    {
        LeaveRound();
        _reducer.Dispose();
    }

    private TensorLink? LinkTo(int owner) => owner == Plan.Coordinator ? _coordinator : _workers[owner];

    private void HandOut()
    {
        while (_exchange.TryNextComplete(out var slice))
        {
            foreach (var worker in _workers)
                if (worker is not null) Send(worker, FrameKind.Average, default, slice, _average!, FramePriority.Urgent);
        }
    }

    private void Send(TensorLink link, FrameKind kind, TreeNode node, int slice, VectorBuffer vector, FramePriority priority)
    {
        var (payload, owner) = _copies.Of(vector, slice);
        _links.Send(link, new(kind, _job, Generation, Round, slice, node, payload.Length), payload, owner, priority);
    }

    private void LeaveRound()
    {
        _reducer.Clear();
        _copies.Clear();
        _average?.Release();
        _average = null;
    }
}
