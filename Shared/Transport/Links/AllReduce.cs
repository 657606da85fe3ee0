using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

// The third move, at every process and in both topologies: workers send slices of their sums to the owners, an owner reduces them and
// sends the averages to the workers. RoundExchange decides; this class has the buffers and the links. Used under the gate of
// its TensorLinks.
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

    public AllReduce(
        TensorLinks links, ulong job, Rounds rounds, VectorPool pool, WireFormat wire, bool isCoordinator, ILinkMetrics? metrics)
    {
        (_links, _job, _pool, _metrics) = (links, job, pool, metrics);
        _exchange = new(rounds, pool.Layout, isCoordinator, wire.IsBfloat16);
        _reducer = new(_exchange, pool.Layout, wire);
        _copies = new(wire, pool);
    }

    public int Generation => _exchange.Generation;
    public long Round => _exchange.Round;
    public Plan? Plan => _exchange.Plan;
    public bool IsComplete => _average is not null && _exchange.IsComplete;

    /// <summary>Time that all threads have spent reducing slices since the start.</summary>
    public TimeSpan Reducing => _reducer.Spent;

    /// <summary>Drops queued frames of older generations, and received ones from now on.</summary>
    public void Fence(int generation)
    {
        LeaveRound();
        _exchange.Fence(generation);
        _links.DropOlderThan(generation);
    }

    /// <summary>Begins a plan. <see cref="Enter"/> with its first round must follow.</summary>
    /// <param name="self">Index of this process in its workers, or <see cref="Core.Planning.Plan.Coordinator"/>.</param>
    /// <param name="workers">The links to its workers, in its order; null for this process and for workers of a star.</param>
    public void Begin(Plan plan, int self, TensorLink?[] workers, TensorLink? coordinator)
    {
        LeaveRound();
        _exchange.Begin(plan, self);
        _links.DropOlderThan(plan.Generation);
        (_self, _workers, _coordinator) = (self, workers, coordinator);
    }

    public void Enter(long round)
    {
        LeaveRound();
        _average = _pool.Rent();
        _reducer.Enter(round, _average);
    }

    /// <param name="sum">These slices must not change before the round is over.</param>
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
        SendAverages();
    }

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
                SendAverages();
                break;
            default:
                _reducer.Arrive(link.Index, header.Node, header.Slice, payload);
                SendAverages();
                break;
        }
        return true;
    }

    /// <summary>Ends the round and gives the caller its average to release. The average is shared, and must not change, while it is
    /// being sent.</summary>
    public VectorBuffer TakeAverage()
    {
        var average = IsComplete ? _average! : throw new InvalidOperationException("the average is not complete");
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

    private void SendAverages()
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
