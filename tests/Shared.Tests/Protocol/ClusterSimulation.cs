using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>
/// A whole cluster in one thread and virtual time: the real protocols and the real reduction, with vectors replaced by
/// hashes that tell what was added to what. One seed decides which message is delivered next, who computes, who joins,
/// leaves or dies. Every channel is first in, first out, as connections are; between channels anything goes.
/// </summary>
internal sealed class ClusterSimulation
{
    private static readonly VectorLayout _layout = new(VectorLayout.SliceFloats + 1, 2);

    private readonly Random _random;
    private readonly Rounds _rounds;
    private readonly long[] _reference;
    private readonly Dictionary<string, SimulatedWorker> _workers = [];
    private readonly Queue<ClusterEvent> _toCoordinator = new();
    private readonly SortedDictionary<string, int> _died = new(StringComparer.Ordinal);
    private ClusterProtocol _cluster;
    private StarReduction? _star;
    private SimulatedSums _sums = new();
    private long[] _lastAverage = [];
    private string? _failure;
    private int _born;

    public ClusterSimulation(int seed, Rounds rounds, int workers, int minWorkers)
    {
        (_random, _rounds) = (new(seed), rounds);
        _cluster = new() { Job = new(rounds.Epochs, rounds.Batch, rounds.MicroBatches), StartWith = workers, MinWorkers = minWorkers };
        _reference = Reference(rounds);
        for (var i = 0; i < workers; i++) Join();
    }

    public ClusterProtocol Cluster => _cluster;

    public int Steps { get; private set; }

    /// <summary>Runs until the job is over.</summary>
    /// <param name="faults">How many joins, leaves and deaths happen on the way.</param>
    public void Run(int faults)
    {
        while (_cluster.Phase is not (ClusterPhase.Finished or ClusterPhase.Failed))
        {
            Assert.True(Steps++ < 200_000, $"no end in sight: {_cluster.Phase}, generation {_cluster.Generation}, {_star?.Completed} of {_rounds.Count} rounds");
            if (faults > 0 && _random.Next(60) == 0)
            {
                faults--;
                Fault();
            }
            var actions = _workers.Values.SelectMany(w => w.Actions()).ToList();
            if (_toCoordinator.Count > 0) actions.Add(() => Decide(_toCoordinator.Dequeue()));
            foreach (var worker in _died.Keys) actions.Add(() => NoticeDeath(worker));
            if (actions.Count == 0)
            {
                // A standstill: only newcomers can be what it waits for.
                Assert.Equal(ClusterPhase.Gathering, _cluster.Phase);
                Join();
                continue;
            }
            actions[_random.Next(actions.Count)]();
        }
        Assert.True(_cluster.Phase == ClusterPhase.Finished, _failure);
        Assert.Equal(_rounds.Count, _star!.Completed);
    }

    private void Fault()
    {
        switch (_random.Next(3))
        {
            case 0:
                Join();
                break;
            case 1:
                if (Expendable(isLeaving: true) is not { } leaver) break;
                leaver.IsLeaving = true;
                leaver.ToCoordinator.Enqueue(new ClusterEvent.Leaving(leaver.Id, "it was asked to"));
                break;
            default:
                if (Expendable(isLeaving: false) is not { } victim) break;
                _workers.Remove(victim.Id);
                // What it had sent last may have got lost with it.
                foreach (var message in victim.ToCoordinator.Take(_random.Next(victim.ToCoordinator.Count + 1))) _toCoordinator.Enqueue(message);
                _died.Add(victim.Id, 0);
                break;
        }
    }

    /// <summary>
    /// A worker without which somebody still holds the newest parameters. One that leaves hands them over first, unless the
    /// cluster waits for more workers meanwhile.
    /// </summary>
    private SimulatedWorker? Expendable(bool isLeaving)
    {
        var completed = _star?.Completed ?? 0;
        var handsOver = isLeaving && _cluster.MinWorkers == 1;
        var all = _workers.Values.Where(w => w.IsPrepared).ToList();
        var candidates = all.Where(w => all.Any(o => o != w && !o.IsLeaving && (handsOver || o.Applied == completed))).ToList();
        return candidates.Count < 1 ? null : candidates[_random.Next(candidates.Count)];
    }

    private void NoticeDeath(string worker)
    {
        _died.Remove(worker);
        Decide(new ClusterEvent.Lost(worker, "it died"));
    }

    private void Join()
    {
        var worker = new SimulatedWorker($"worker-{++_born}", this);
        _workers.Add(worker.Id, worker);
        worker.ToCoordinator.Enqueue(new ClusterEvent.Registered(worker.Id));
        worker.ToCoordinator.Enqueue(new ClusterEvent.Prepared(worker.Id, new("data", _rounds.TrainSamples, _rounds.TestSamples, _layout, 8, "initial")));
    }

    private void Decide(ClusterEvent happened)
    {
        var events = new Queue<ClusterEvent>([happened]);
        while (events.TryDequeue(out var next))
        {
            (_cluster, var effects) = _cluster.Handle(next);
            foreach (var effect in effects)
                if (Carry(effect) is { } answer) events.Enqueue(answer);
        }
        // Nobody is left out, and nobody held who wants to go.
        if (_cluster.Phase == ClusterPhase.Training) Assert.All(InPlay, m => Assert.Equal((MemberStatus.Active, false), (m.Status, m.Leaving)));
    }

    private IEnumerable<Member> InPlay => _cluster.Members.Values.Where(m => m.Status != MemberStatus.Preparing);

    private void AssertFits(Plan plan)
    {
        Assert.True(plan.Workers.Length >= _cluster.MinWorkers, $"a plan for {plan.Workers.Length} workers");
        Assert.Equal(InPlay.Select(m => m.Id), plan.Workers);
        Assert.Equal(_rounds.Count, plan.EndRound);
        foreach (var id in plan.Workers)
            if (_workers.TryGetValue(id, out var worker)) Assert.Equal(plan.FirstRound, worker.Applied);
        Assert.DoesNotContain(_workers.Values, w => w.IsLeaving && !_cluster.Members.ContainsKey(w.Id));
    }

    private ClusterEvent? Carry(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Open open:
                Assert.Equal(_rounds, open.Rounds);
                _star = new(_rounds, _layout);
                return null;
            case ClusterEffect.Fence fence:
                if (fence.Generation == 1) Assert.Equal(_cluster.StartWith, InPlay.Count());
                return new ClusterEvent.Fenced(fence.Generation, _star!.Fence(fence.Generation));
            case ClusterEffect.Halt halt:
                Tell(halt.Worker, w => w.Handle(new ReplicaEvent.HaltAsked(halt.Generation)));
                return null;
            case ClusterEffect.Begin begin:
                AssertFits(begin.Plan);
                _star!.Begin(begin.Plan);
                _sums = new();
                foreach (var worker in begin.Plan.Workers) Tell(worker, w => w.Handle(new ReplicaEvent.PlanBegan(begin.Plan)));
                return null;
            case ClusterEffect.RepeatAverage repeat:
                SendAverage(repeat.Worker, repeat.Generation, _star!.Completed - 1, _lastAverage);
                return null;
            case ClusterEffect.Transfer transfer:
                Assert.Equal(InPlay.Max(m => m.Applied), _cluster.Members[transfer.Donor].Applied);
                Tell(transfer.Donor, donor =>
                {
                    var (applied, state) = (donor.Applied, donor.State);
                    Assert.Null(donor.Protocol.Plan);
                    Tell(transfer.Receiver, w => w.Receive(transfer.Generation, applied, state), overLink: true);
                });
                return null;
            case ClusterEffect.Dismiss dismiss:
                _workers.Remove(dismiss.Worker);
                return null;
            case ClusterEffect.Collect collect:
                Assert.All(InPlay, m => Assert.Equal(_rounds.Count, m.Applied));
                Tell(collect.Donor, donor =>
                {
                    Assert.Equal((_rounds.Count, _reference[^1]), (donor.Applied, donor.State));
                    donor.ToCoordinator.Enqueue(new ClusterEvent.Collected());
                });
                return null;
            case ClusterEffect.Fail fail:
                _failure = fail.Reason;
                return null;
            default:
                return null;
        }
    }

    private void Tell(string worker, Action<SimulatedWorker> deliver, bool overLink = false)
    {
        if (_workers.TryGetValue(worker, out var there)) (overLink ? there.LinkInbox : there.Inbox).Enqueue(deliver);
    }

    private void SendAverage(string worker, int generation, long round, long[] values)
    {
        for (var slice = 0; slice < values.Length; slice++)
        {
            var (index, value) = (slice, values[slice]);
            Tell(worker, w => w.ReceiveSlice(generation, round, index, values.Length, value), overLink: true);
        }
    }

    /// <summary>A frame reaches the reducer.</summary>
    private void Reduce(string worker, FrameHeader frame, long value)
    {
        if (!_cluster.Members.ContainsKey(worker)) return;
        var verdict = _star!.Judge(worker, frame, out var why);
        Assert.True(verdict != FrameVerdict.Violation, why);
        if (verdict == FrameVerdict.Stale) return;
        var round = _star.Current!.Value;
        var plan = _cluster.Plan!;
        if (frame.Kind == FrameKind.Contribution) _sums.Values[(frame.Node.First, frame.Slice)] = value;
        var complete = new List<int>();
        var isRoundComplete = _star.Arrive(worker, frame, _sums, complete);
        var first = _layout.FirstSlice(round.Kind);
        foreach (var slice in complete)
        {
            var sum = _sums.Values[(0, slice)];
            foreach (var receiver in plan.Workers)
                Tell(receiver, w => w.ReceiveSlice(plan.Generation, round.Number, slice - first, _layout.Slices - first, sum), overLink: true);
        }
        if (!isRoundComplete) return;
        _lastAverage = [.. Enumerable.Range(first, _layout.Slices - first).Select(s => _sums.Values[(0, s)])];
        _sums = new();
    }

    private static long Contribution(long state, Round round, int microBatch, int slice) => HashOf(state, round.Number, microBatch, slice);

    private static long Applied(long state, Round round, IEnumerable<long> average) =>
        round.Kind == RoundKind.Train ? average.Aggregate(HashOf(state, round.Number), (hash, sum) => HashOf(hash, sum)) : state;

    private static long HashOf(params ReadOnlySpan<long> parts)
    {
        var hash = 17L;
        foreach (var part in parts) hash = (long)Permutation.Mix(hash, part, 0);
        return hash;
    }

    /// <summary>The states of a plain loop without a cluster.</summary>
    private static long[] Reference(Rounds rounds)
    {
        var states = new long[rounds.Count + 1];
        for (var number = 0; number < rounds.Count; number++)
        {
            var (round, state) = (rounds.At(number), states[number]);
            var slices = Enumerable.Range(0, _layout.Slices).Skip(_layout.FirstSlice(round.Kind));
            states[number + 1] = Applied(state, round, slices.Select(slice => SumOf(new ReductionTree(round.MicroBatches).Root, slice)));

            long SumOf(TreeNode node, int slice)
            {
                if (node.Count == 1) return Contribution(state, round, node.First, slice);
                var (left, right) = ReductionTree.Children(node);
                return HashOf(SumOf(left, slice), SumOf(right, slice));
            }
        }
        return states;
    }

    private sealed class SimulatedSums : IContributionSums
    {
        public Dictionary<(int First, int Slice), long> Values { get; } = [];

        public void Add(int into, int from, int slice) => Values[(into, slice)] = HashOf(Values[(into, slice)], Values[(from, slice)]);
    }

    private sealed class AllSlices(SimulatedSums sums, int first) : IContributionSums
    {
        public void Add(int into, int from, int slice)
        {
            for (var s = first; s < _layout.Slices; s++) sums.Add(into, from, s);
        }
    }

    private sealed class SimulatedWorker(string id, ClusterSimulation cluster)
    {
        private readonly SimulatedSums _sums = new();
        private RoundWork? _work;
        private int _generation;
        private (int Generation, long Round) _expected;
        private readonly Dictionary<int, long> _slices = [];
        private bool _isMapping;

        public string Id => id;
        public ReplicaProtocol Protocol { get; private set; } = new(id, cluster._rounds);
        public long Applied => Protocol.Applied;
        public long State { get; private set; }
        public bool IsLeaving { get; set; }
        public bool IsPrepared => cluster._cluster.Members.TryGetValue(id, out var m) && m.Status != MemberStatus.Preparing;

        public Queue<Action<SimulatedWorker>> Inbox { get; } = new();
        public Queue<Action<SimulatedWorker>> LinkInbox { get; } = new();
        public Queue<ClusterEvent> ToCoordinator { get; } = new();
        private readonly Queue<(FrameHeader Frame, long Value)> _outbound = new();

        public IEnumerable<Action> Actions()
        {
            if (Inbox.Count > 0) yield return () => Inbox.Dequeue()(this);
            if (LinkInbox.Count > 0) yield return () => LinkInbox.Dequeue()(this);
            if (ToCoordinator.Count > 0) yield return () => cluster.Decide(ToCoordinator.Dequeue());
            if (_outbound.Count > 0) yield return () => { var (frame, value) = _outbound.Dequeue(); cluster.Reduce(id, frame, value); };
            if (_isMapping) yield return Compute;
        }

        public void Handle(ReplicaEvent happened)
        {
            (Protocol, var effects) = Protocol.Handle(happened);
            foreach (var effect in effects) Carry(effect);
        }

        /// <summary>The link tells the replica, which may have been told other things before.</summary>
        public void Receive(int generation, long applied, long state) => Inbox.Enqueue(w => w.Restore(generation, applied, state));

        public void ReceiveSlice(int generation, long round, int slice, int slices, long value)
        {
            if ((generation, round) != _expected)
            {
                Assert.True(generation < _expected.Generation, $"{id} expects {_expected}, receives {(generation, round)}");
                return;
            }
            Assert.True(_slices.TryAdd(slice, value));
            if (_slices.Count == slices) Inbox.Enqueue(w => w.Handle(new ReplicaEvent.AverageArrived(generation, round)));
        }

        private void Restore(int generation, long applied, long state)
        {
            if (generation != Protocol.Generation || Protocol.Plan is not null) return;
            State = state;
            Assert.Equal(cluster._reference[applied], State);
            Handle(new ReplicaEvent.StateArrived(generation, applied));
        }

        private void Carry(ReplicaEffect effect)
        {
            switch (effect)
            {
                case ReplicaEffect.Expect expect:
                    _expected = (expect.Generation, expect.Round);
                    _slices.Clear();
                    break;
                case ReplicaEffect.Abandon:
                    _isMapping = false;
                    break;
                case ReplicaEffect.Map map:
                    if (_work?.Round.Number != map.Round.Number)
                    {
                        _work = new(map.Round);
                        _sums.Values.Clear();
                    }
                    _generation = map.Generation;
                    foreach (var node in _work.Assign(map.Range, [])) Send(node);
                    if (map.Range.Count == 0) Queue(new(FrameKind.Present, 0, _generation, map.Round.Number, 0, default, 0), 0);
                    _isMapping = !_work.IsDone;
                    break;
                case ReplicaEffect.Apply apply:
                    State = ClusterSimulation.Applied(State, apply.Round, Enumerable.Range(0, _slices.Count).Select(s => _slices[s]));
                    Assert.Equal(cluster._reference[apply.Round.Number + 1], State);
                    ToCoordinator.Enqueue(new ClusterEvent.Reached(id, apply.Round.Number + 1));
                    break;
                case ReplicaEffect.ReportHalted halted:
                    ToCoordinator.Enqueue(new ClusterEvent.Halted(id, halted.Generation, halted.Applied));
                    break;
                case ReplicaEffect.ReportSynced synced:
                    ToCoordinator.Enqueue(new ClusterEvent.Synced(id, synced.Generation, synced.Applied));
                    break;
            }
        }

        private void Compute()
        {
            Assert.NotNull(Protocol.Plan);
            var (round, first) = (_work!.Round, _layout.FirstSlice(_work.Round.Kind));
            for (var slice = first; slice < _layout.Slices; slice++)
                _sums.Values[(_work.Next, slice)] = Contribution(State, round, _work.Next, slice);
            if (_work.Computed(new AllSlices(_sums, first)) is { } node) Send(node);
            _isMapping = !_work.IsDone;
        }

        private void Send(TreeNode node)
        {
            var round = _work!.Round;
            for (var slice = _layout.FirstSlice(round.Kind); slice < _layout.Slices; slice++)
                Queue(new(FrameKind.Contribution, 0, _generation, round.Number, slice, node, _layout.BytesOf(slice).Length), _sums.Values[(node.First, slice)]);
        }

        private void Queue(FrameHeader frame, long value) => _outbound.Enqueue((frame, value));
    }
}
