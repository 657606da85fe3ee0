using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Shared.Tests;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A worker's replica, and its links to other workers.</summary>
internal sealed partial class SimulatedWorker
{
    private SimulatedExchange _exchange = new(cluster);
    private readonly SimulatedSums _sums = new();
    private RoundWork? _roundWork;
    private ReplicaEffect.Step? _step;
    private long _arrived;

    /// <summary>A frame has arrived over a link.</summary>
    /// <param name="sender">Number of the worker that sent it, or <see cref="Plan.Coordinator"/>.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="value">Its content.</param>
    /// <returns>Whether a correct peer sends it.</returns>
    public bool Receive(int sender, FrameHeader frame, long value)
    {
        var verdict = _exchange.Classify(sender, frame);
        Assert.NotEqual(FrameVerdict.Early, verdict);
        if (verdict != FrameVerdict.Accept) return verdict == FrameVerdict.Stale;
        Assert.Equal((Protocol.Generation, Applied), (frame.Generation, frame.Round));
        Take(sender, frame, value);
        return true;
    }

    private void Receive(string peer, (FrameHeader Header, long Value) frame)
    {
        if (!Receive(_exchange.IndexOf(peer), frame.Header, frame.Value)) Links[peer].Break(cluster.Random);
    }

    private void LoseLink(string peer, string why)
    {
        Links.Remove(peer);
        if (Protocol.Plan is not { } plan || !plan.Includes(peer)) return;
        Report();
        Say(new PeerLost(plan.Generation, peer, why));
    }

    private void Connect(string peer)
    {
        if (peer == id || Links.ContainsKey(peer)) return;
        if (cluster.Find(peer) is not { } other || other.IsFrozen || cluster.IsBlocked(id, peer))
        {
            LoseLink(peer, "it does not answer");
            return;
        }
        if (other.Protocol.Generation != Protocol.Generation || other.Protocol.Plan is null) cluster.Census.Count("link that came early");
        var link = new SimulatedLink(id, peer);
        Links[peer] = link;
        if (other.Links.ContainsKey(id)) other.LoseLink(id, "it was replaced");
        other.Links[id] = link;
    }

    /// <summary>Accepts a frame, or a contribution of this worker, and sends every average that is due.</summary>
    private void Take(int sender, FrameHeader frame, long value)
    {
        foreach (var (slice, sum) in _exchange.Take(sender, frame, value))
        {
            var average = frame with { Kind = FrameKind.Average, Slice = slice, Node = default, Length = BytesOf(slice) };
            foreach (var peer in _exchange.Rounds.Plan!.Workers) SendTo(peer, average, sum);
        }
    }

    private bool IsMapping => _step is not null && !_roundWork!.IsDone;

    /// <summary>Its part of the round is computed, and the average has arrived.</summary>
    private bool MayApply => _step is not null && _roundWork!.IsDone && _exchange.Rounds.IsComplete;

    private int BytesOf(int slice) => SimulatedVectors.Layout.WireBytesOf(slice, cluster.IsBfloat16);

    private void SendTo(string peer, FrameHeader frame, long value)
    {
        if (Links.TryGetValue(peer, out var link)) link.Send(peer, frame, value);
    }

    public void Handle(ReplicaEvent happened)
    {
        try
        {
            (Protocol, var effects) = Protocol.Handle(happened);
            foreach (var effect in effects) Execute(effect);
        }
        catch (ProtocolException error) when (cluster.HasMistakes)
        {
            var isWithout = error.Message.Contains("has no part", StringComparison.Ordinal);
            cluster.Census.Count(isWithout ? "plan without this worker" : "plan from another round");
            Decide(new JoinEvent.Failed(error.Message));
        }
    }

    /// <summary>The link tells the replica, after the messages that arrived before.</summary>
    public void Receive(int generation, long applied, long state) => _mail.Enqueue(w => w.Restore(generation, applied, state));

    private void Restore(int generation, long applied, long state)
    {
        _arrived = state;
        Handle(new ReplicaEvent.StateArrived(generation, applied));
    }

    private void Execute(ReplicaEffect effect)
    {
        cluster.Census.Count(effect);
        switch (effect)
        {
            case ReplicaEffect.Fence fence:
                _step = null;
                _exchange.Rounds.Fence(fence.Generation);
                break;
            case ReplicaEffect.Begin begin:
                _best = begin.Best;
                // A plan of a star ends with the link that it began with.
                _isUnlinked = _linked is null;
                _exchange.Rounds.Begin(begin.Plan, begin.Plan.IndexOf(id));
                if (!cluster.IsMesh) break;
                foreach (var peer in begin.Plan.Workers) Connect(peer);
                break;
            case ReplicaEffect.Restore:
                State = _arrived;
                cluster.Census.Count("state restored");
                if (!cluster.Rounds.Relaxed) cluster.Lineage.Check(Applied, State);
                break;
            case ReplicaEffect.Step step:
                Begin(step);
                break;
            case ReplicaEffect.ReportHalted halted:
                Report();
                Say(new Halted(
                    halted.Generation,
                    misfit == Misfit.ImpossibleReport ? cluster.Rounds.Count + 1 : halted.Applied,
                    misfit == Misfit.OtherBits ? new(1, 1) : Digest));
                break;
            case ReplicaEffect.ReportSynced synced:
                Report();
                _kept.Follow(synced.Applied);
                Say(new Synced(synced.Generation, synced.Applied, Digest));
                break;
        }
    }

    private void Begin(ReplicaEffect.Step step)
    {
        _step = step;
        _exchange.Enter(step.Round.Number);
        if (_roundWork?.Round != step.Round)
        {
            _roundWork = new(step.Round);
            _sums.Values.Clear();
        }
        foreach (var node in _roundWork.Assign(step.Range, [])) Send(node);
        if (step.Range.Count == 0) SendPresent(step.Round);
    }

    private void Apply()
    {
        var (round, isLast) = (_step!.Round, _step.Round.Number + 1 == _step.Plan.EndRound);
        State = SimulatedVectors.Applied(State, round, _exchange.Average.Values);
        _step = null;
        // The metrics of an evaluation depend on the state alone.
        double[] tallies = [round.Samples, round.Number, (ulong)State % (ulong)(round.Samples + 1)];
        var digest = misfit == Misfit.OtherReports ? new StateDigest(1, 1) : Digest;
        _unreported.Add(new(round.Number, digest, tallies, 0.1, 1, 1, new(Compute: 1, 0, 0, 0, 0)));
        Handle(new ReplicaEvent.RoundApplied());
        cluster.Check(this, round.Number);
        SaveIfDue(round, tallies);
        if (isLast) Report();
    }

    /// <summary>One of the plan's workers sends its state for a checkpoint, unless one is still on its way.</summary>
    private void SaveIfDue(Round round, double[] tallies)
    {
        var every = cluster.Job.Checkpoint.EverySteps;
        var metric = round.Kind == RoundKind.Evaluate
            ? cluster.Job.Kind.Metric.Of(tallies.AsSpan(Tally.FirstMetric), round.Samples)
            : double.NaN;
        var isBest = CheckpointRule.IsBest(cluster.Rounds, every, round, metric, _best);
        if (!isBest && !CheckpointRule.IsDue(cluster.Rounds, every, round)) return;
        if (Protocol.Plan?.Workers[0] != id || _checkpoint is not null || _linked is not { } coordinator) return;
        if (isBest) _best = metric;
        var (generation, applied, state) = (Protocol.Generation, Applied, State);
        _checkpoint = () => coordinator.ReceiveCheckpoint(this, generation, applied, state);
    }

    private void Compute()
    {
        var (round, first) = (_roundWork!.Round, SimulatedVectors.Layout.FirstSlice(_roundWork.Round.Kind));
        for (var slice = first; slice < SimulatedVectors.Layout.Slices; slice++)
            _sums.Values[(_roundWork.Next, slice)] = SimulatedVectors.Contribution(State, round, _roundWork.Next, slice);
        if (_roundWork.Computed(Add) is { } node) Send(node);

        void Add(Merge merge)
        {
            for (var slice = first; slice < SimulatedVectors.Layout.Slices; slice++) _sums.Add(merge, slice);
        }
    }

    private void Send(TreeNode node)
    {
        var round = _roundWork!.Round;
        for (var slice = SimulatedVectors.Layout.FirstSlice(round.Kind); slice < SimulatedVectors.Layout.Slices; slice++)
        {
            var (plan, value) = (Protocol.Plan!, _sums.Values[(node.First, slice)]);
            var frame = new FrameHeader(FrameKind.Contribution, 0, plan.Generation, round.Number, slice, node, BytesOf(slice));
            var owner = plan.OwnerOf(slice);
            if (owner == Plan.Coordinator) SendStar(frame, value);
            else if (plan.Workers[owner] == id) Take(owner, frame, value);
            else SendTo(plan.Workers[owner], frame, value);
        }
    }

    private void SendStar(FrameHeader frame, long value)
    {
        if (!_isUnlinked && _linked is { } coordinator) _toLink.Enqueue(() => coordinator.Reduce(this, frame, value));
    }

    private void SendPresent(Round round)
    {
        var plan = Protocol.Plan!;
        var frame = new FrameHeader(FrameKind.Present, 0, plan.Generation, round.Number, 0, default, 0);
        var slices = Enumerable.Range(0, SimulatedVectors.Layout.Slices).Skip(SimulatedVectors.Layout.FirstSlice(round.Kind));
        var owners = slices.Select(plan.OwnerOf).Distinct();
        foreach (var owner in owners)
        {
            if (owner == Plan.Coordinator) SendStar(frame, 0);
            else SendTo(plan.Workers[owner], frame, 0);
        }
    }
}
