using System.Collections.Immutable;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>
/// A whole cluster in one thread and virtual time: the real protocols and the real reduction, with vectors replaced by
/// hashes that tell what was added to what. One seed decides which message is delivered next, who computes, who joins,
/// leaves, dies, stands still or loses its link to the coordinator, when that is started again, and which link between two
/// workers breaks. Every channel is first in, first out, as connections are;
/// between channels anything goes.
/// </summary>
internal sealed class ClusterSimulation
{
    private static readonly VectorLayout _layout = new(2 * VectorLayout.SliceFloats + 1, 2);

    private readonly Random _random;
    private readonly Rounds _rounds;
    private readonly bool _half;
    private readonly long[] _reference;
    private readonly Dictionary<string, SimulatedWorker> _workers = [];
    private readonly Queue<ClusterEvent> _toCoordinator = new();
    private readonly SortedDictionary<string, int> _died = new(StringComparer.Ordinal);
    private readonly Dictionary<(string, string), int> _breaks = [];
    private readonly Dictionary<(int Generation, long Round), long> _states = [];
    private (string, string)? _blocked;
    private readonly SortedDictionary<int, long> _average = [];
    private readonly Stack<StoredState> _disk = [];
    private ClusterProtocol _cluster;
    private Reducer? _star;
    private long _completed;
    private long _highest;
    private long[] _lastAverage = [];
    private string? _failure;
    private int _born;

    /// <param name="seed">Decides everything that is left open.</param>
    /// <param name="rounds">The job; the states of a relaxed one follow a plain loop only as long as the workers stay the same.</param>
    /// <param name="topology">Who reduces.</param>
    /// <param name="workers">How many the first plan waits for.</param>
    /// <param name="minWorkers">How many later plans need.</param>
    /// <param name="blocked">Two workers that cannot reach each other until one of them is turned away.</param>
    /// <param name="isOpen">Whether all workers may go, and others come in their place.</param>
    public ClusterSimulation(int seed, Rounds rounds, Topology topology, int workers, int minWorkers, (string, string)? blocked = null, bool isOpen = false)
    {
        (_random, _rounds, _blocked) = (new(seed), rounds, blocked);
        _half = _random.Next(2) == 0;
        _cluster = new()
        {
            Job = new(rounds.Epochs, rounds.Batch, rounds.MicroBatches, rounds.Relaxed, IsExact: !rounds.Relaxed),
            IsOpen = isOpen,
            Topology = topology,
            StartWith = workers,
            MinWorkers = minWorkers,
        };
        _reference = Reference(rounds, workers);
        for (var i = 0; i < workers; i++) Join();
    }

    public ClusterProtocol Cluster => _cluster;

    /// <summary>The state after the last round.</summary>
    public long Result { get; private set; }

    public List<ClusterEffect.Refuse> Refused { get; } = [];

    private bool IsMesh => _cluster.Topology == Topology.Mesh;

    public int Steps { get; private set; }

    /// <summary>Runs until the job is over.</summary>
    /// <param name="faults">How many joins, leaves, deaths and broken links happen on the way.</param>
    public void Run(int faults)
    {
        while (_cluster.Phase is not (ClusterPhase.Finished or ClusterPhase.Failed))
        {
            Assert.True(Steps++ < 50_000, $"no end in sight: {_cluster.Phase}, generation {_cluster.Generation}, {_highest} of {_rounds.Count} rounds");
            if (faults > 0 && _random.Next(60) == 0)
            {
                faults--;
                Fault();
            }
            var actions = _workers.Values.SelectMany(w => w.Actions()).ToList();
            if (_toCoordinator.Count > 0) actions.Add(() => Decide(_toCoordinator.Dequeue()));
            foreach (var worker in _died.Keys) actions.Add(() => NoticeDeath(worker));
            if (actions.Count == 0 || (_cluster.IsOpen && _random.Next(500) == 0)) Wait();
            else actions[_random.Next(actions.Count)]();
        }
        Assert.True(_cluster.Phase == ClusterPhase.Finished, _failure);
        Assert.Equal(_rounds.Count, IsMesh || _cluster.IsOpen ? _highest : _completed);
    }

    /// <summary>Time passes in which nothing happens.</summary>
    private void Wait()
    {
        if (!_cluster.Returning.IsEmpty) Decide(new ClusterEvent.ReturnOver());
        else if (_cluster.Phase != ClusterPhase.Gathering) Decide(new ClusterEvent.Overdue("nothing happened"));
        else if (_workers.Values.FirstOrDefault(w => w.IsFrozen) is { } frozen) frozen.IsFrozen = false;
        // Only newcomers can be what it waits for.
        else if (_workers.Values.All(w => w.IsPrepared && !w.IsCut)) Join();
    }

    private void Fault()
    {
        if (!_rounds.Relaxed && _random.Next(4) == 0 && _cluster.Plan is { } plan)
        {
            Decide(new ClusterEvent.Unbalanced(plan.Workers.ToImmutableDictionary(w => w, w => w == plan.Workers[0] ? 1 : _random.Next(4)), "somebody is slow"));
            return;
        }
        if (_cluster.IsOpen && _random.Next(3) == 0)
        {
            FaultOfControl();
            return;
        }
        switch (_random.Next(IsMesh ? 5 : 3))
        {
            case 0:
                Join();
                break;
            case 1:
                if (AnyOf([.. _workers.Values.Where(w => w.IsPrepared && !w.IsLeaving)]) is not { } leaver) break;
                leaver.IsLeaving = true;
                leaver.ToCoordinator.Enqueue(new ClusterEvent.Leaving(leaver.Id, "it was asked to"));
                break;
            case 2:
                if (Expendable() is not { } victim) break;
                Remove(victim.Id);
                // What it had sent last may have got lost with it.
                foreach (var message in victim.ToCoordinator.Take(_random.Next(victim.ToCoordinator.Count + 1))) _toCoordinator.Enqueue(message);
                _died[victim.Id] = 0;
                break;
            default:
                var links = _workers.Values.SelectMany(w => w.Links.Values).Where(l => !l.IsBroken && _breaks.GetValueOrDefault(l.Pair) < ClusterProtocol.MaxBreaks - 1).Distinct().ToList();
                if (AnyOf(links) is not { } link) break;
                _breaks[link.Pair] = _breaks.GetValueOrDefault(link.Pair) + 1;
                link.Break(_random);
                break;
        }
    }

    private void FaultOfControl()
    {
        switch (_random.Next(3))
        {
            case 0:
                if (AnyOf([.. _workers.Values.Where(w => w.IsPrepared)]) is { } frozen) frozen.IsFrozen = true;
                break;
            case 1:
                if (AnyOf([.. _workers.Values.Where(w => !w.IsCut)]) is not { } unlinked) break;
                unlinked.Cut();
                _died[unlinked.Id] = 0;
                break;
            default:
                Restart();
                break;
        }
    }

    /// <summary>The coordinator is killed and started again: it knows what it had written down.</summary>
    private void Restart()
    {
        _cluster = new()
        {
            Job = _cluster.Job,
            Topology = _cluster.Topology,
            StartWith = _cluster.StartWith,
            MinWorkers = _cluster.MinWorkers,
            IsOpen = true,
            Generation = _cluster.Generation,
            Reached = _cluster.Reached,
            StepsRedone = _cluster.StepsRedone,
            Stored = _disk.TryPeek(out var newest) ? newest : null,
            Returning = [.. _cluster.Plan?.Workers ?? []],
        };
        (_star, _completed, _lastAverage) = (null, 0, []);
        _average.Clear();
        _toCoordinator.Clear();
        _died.Clear();
        foreach (var worker in _workers.Values) worker.Cut();
    }

    /// <summary>A worker without a coordinator offers itself again.</summary>
    private void Return(SimulatedWorker worker)
    {
        if (_died.ContainsKey(worker.Id)) NoticeDeath(worker.Id);
        if (worker.IsLeaving)
        {
            Remove(worker.Id);
            return;
        }
        worker.Return(_cluster.CanAdopt(worker.Holding));
        Offer(worker);
    }

    private T? AnyOf<T>(List<T> choices) where T : class => choices.Count < 1 ? null : choices[_random.Next(choices.Count)];

    /// <summary>A worker without which somebody still holds the newest parameters; a mesh can do its last round again.</summary>
    private SimulatedWorker? Expendable()
    {
        if (_cluster.IsOpen) return AnyOf([.. _workers.Values]);
        var needed = IsMesh ? _highest - 1 : _completed;
        var all = _workers.Values.Where(w => w.IsPrepared).ToList();
        return AnyOf([.. all.Where(w => all.Any(o => o != w && !o.IsLeaving && o.Applied >= needed))]);
    }

    private void Remove(string worker)
    {
        if (!_workers.Remove(worker, out var gone)) return;
        foreach (var link in gone.Links.Values) link.Break(_random);
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
        Offer(worker);
    }

    private void Offer(SimulatedWorker worker)
    {
        worker.ToCoordinator.Enqueue(new ClusterEvent.Registered(worker.Id));
        worker.ToCoordinator.Enqueue(new ClusterEvent.Prepared(
            worker.Id, new("data", _rounds.TrainSamples, _rounds.TestSamples, _layout, 8, "initial", worker.Id, 1), worker.Holding));
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
        var live = _workers.Values.Where(w => plan.Includes(w.Id)).ToList();
        Assert.All(live, worker => Assert.Equal((plan.FirstRound, live[0].State), (worker.Applied, worker.State)));
        Assert.DoesNotContain(_workers.Values, w => w.IsLeaving && !w.IsCut && !_cluster.Members.ContainsKey(w.Id));
    }

    /// <summary>A replica has applied a round.</summary>
    private void Check(SimulatedWorker worker, long round)
    {
        if (!_rounds.Relaxed) Assert.Equal(_reference[round + 1], worker.State);
        else if (!_states.TryAdd((worker.Protocol.Generation, round), worker.State)) Assert.Equal(_states[(worker.Protocol.Generation, round)], worker.State);
        _highest = Math.Max(_highest, round + 1);
        // On the disk sooner than anybody hears of it.
        if (_cluster.IsOpen && _random.Next(6) == 0 && (!_disk.TryPeek(out var newest) || newest.Applied <= round))
        {
            _disk.Push(new(round + 1, worker.Digest));
            _toCoordinator.Enqueue(new ClusterEvent.Stored(_disk.Peek()));
        }
        if (worker.Protocol.Plan is not { } plan) return;
        foreach (var other in _workers.Values)
            if (other.Protocol.Plan?.Generation == plan.Generation) Assert.InRange(other.Applied, worker.Applied - 1, worker.Applied + 1);
    }

    private ClusterEvent? Carry(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Open open:
                Assert.Equal(_rounds, open.Rounds);
                if (!IsMesh) _star = new(new(_rounds, _layout, isCoordinator: true, _half));
                return null;
            case ClusterEffect.Fence fence:
                if (fence.Generation == 1) Assert.Equal(_cluster.StartWith, InPlay.Count());
                _star!.Slices.Fence(fence.Generation);
                return new ClusterEvent.Fenced(fence.Generation, _completed, _lastAverage.Length > 0);
            case ClusterEffect.Halt halt:
                Tell(halt.Worker, w => w.Handle(new ReplicaEvent.HaltAsked(halt.Generation)));
                return null;
            case ClusterEffect.Begin begin:
                AssertFits(begin.Plan);
                Assert.Equal(IsMesh ? begin.Plan.Workers : [], begin.Endpoints.Select(e => e.Host));
                if (!IsMesh)
                {
                    if (!_cluster.IsOpen) Assert.Equal(_completed, begin.Plan.FirstRound);
                    if (_completed != begin.Plan.FirstRound) (_completed, _lastAverage) = (begin.Plan.FirstRound, []);
                    _average.Clear();
                    _star!.Slices.Begin(begin.Plan, Plan.Coordinator);
                    _star.Enter(_completed);
                }
                foreach (var worker in begin.Plan.Workers) Tell(worker, w => w.Handle(new ReplicaEvent.PlanBegan(begin.Plan)));
                return null;
            case ClusterEffect.RepeatAverage repeat:
                SendAverage(repeat.Worker, repeat.Generation, _completed - 1, _lastAverage);
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
            case ClusterEffect.Load load:
                Assert.All(InPlay, m => Assert.True(m.Applied < _cluster.Stored!.Applied));
                if (_random.Next(4) == 0)
                {
                    while (_disk.TryPop(out var damaged) && damaged.Applied >= _cluster.Stored!.Applied)
                    {
                        // Those that are newer than what it has heard of are gone too.
                    }
                    return new ClusterEvent.Damaged(_disk.TryPeek(out var before) ? before : null, "it cannot be read");
                }
                var (loaded, bits) = (_cluster.Stored!.Applied, _reference[_cluster.Stored.Applied]);
                Tell(load.Receiver, w => w.Receive(load.Generation, loaded, bits), overLink: true);
                return null;
            case ClusterEffect.Dismiss dismiss:
                Remove(dismiss.Worker);
                return null;
            case ClusterEffect.Refuse refuse:
                Refused.Add(refuse);
                _blocked = null;
                if (refuse.MayReturn) _workers.GetValueOrDefault(refuse.Worker)?.Cut();
                else Remove(refuse.Worker);
                return null;
            case ClusterEffect.Collect collect:
                Assert.All(InPlay, m => Assert.Equal(_rounds.Count, m.Applied));
                Tell(collect.Donor, donor =>
                {
                    Result = donor.State;
                    Assert.Equal(_rounds.Count, donor.Applied);
                    if (!_rounds.Relaxed) Assert.Equal(_reference[^1], donor.State);
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
        if (_workers.TryGetValue(worker, out var there) && !there.IsCut) (overLink ? there.LinkInbox : there.Inbox).Enqueue(deliver);
    }

    private void SendAverage(string worker, int generation, long round, long[] values)
    {
        for (var slice = 0; slice < values.Length; slice++)
        {
            var (index, value) = (slice, values[slice]);
            Tell(worker, w => w.ReceiveSlice(generation, round, index, values.Length, value), overLink: true);
        }
    }

    /// <summary>A frame reaches the reducer of the star.</summary>
    private void Reduce(string worker, FrameHeader frame, long value)
    {
        if (!_cluster.Members.ContainsKey(worker)) return;
        var index = _star!.IndexOf(worker);
        var verdict = _star.Judge(index, frame);
        Assert.NotEqual(FrameVerdict.Early, verdict);
        if (verdict == FrameVerdict.Stale) return;
        var (round, plan) = (_star.Slices.Current!.Value, _star.Slices.Plan!);
        var first = _layout.FirstSlice(round.Kind);
        foreach (var (slice, sum) in _star.Take(index, frame, value))
        {
            _average[slice] = sum;
            foreach (var receiver in plan.Workers)
                Tell(receiver, w => w.ReceiveSlice(plan.Generation, round.Number, slice - first, _layout.Slices - first, sum), overLink: true);
        }
        if (!_star.Slices.IsComplete) return;
        _lastAverage = [.. _average.Values];
        _average.Clear();
        _star.Enter(++_completed);
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
    private static long[] Reference(Rounds rounds, int workers)
    {
        var plan = new Plan(1, 0, rounds.Count, [.. Enumerable.Range(0, workers).Select(i => $"{i}")], Topology.Star);
        var states = new long[rounds.Count + 1];
        for (var number = 0; number < rounds.Count; number++)
        {
            var (round, state) = (plan.RoundAt(rounds, number), states[number]);
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

    /// <summary>A real reduction with simulated sums.</summary>
    private sealed class Reducer(SliceReduction slices)
    {
        private readonly SimulatedSums _sums = new();

        public SliceReduction Slices => slices;

        public int IndexOf(string worker) => slices.Plan is { } plan && plan.Includes(worker) ? plan.IndexOf(worker) : -1;

        public void Enter(long round)
        {
            slices.Enter(round);
            _sums.Values.Clear();
        }

        public FrameVerdict Judge(int worker, FrameHeader frame)
        {
            var verdict = slices.Judge(worker, frame, out var why);
            Assert.True(verdict != FrameVerdict.Violation, why);
            return verdict;
        }

        /// <returns>The slices that are complete now, with their sums.</returns>
        public List<(int Slice, long Sum)> Take(int worker, FrameHeader frame, long value)
        {
            if (frame.Kind == FrameKind.Present)
            {
                slices.ArrivePresent(worker);
            }
            else
            {
                _sums.Values[(frame.Node.First, frame.Slice)] = value;
                slices.Arrive(worker, frame.Node, frame.Slice, _sums);
            }
            var complete = new List<(int, long)>();
            while (slices.TryNextComplete(out var slice)) complete.Add((slice, _sums.Values[(0, slice)]));
            return complete;
        }
    }

    /// <summary>A connection between two workers of a mesh, for as long as it holds.</summary>
    private sealed class Link(string a, string b)
    {
        private readonly Dictionary<string, Queue<(FrameHeader Frame, long Value)>> _to = new() { [a] = new(), [b] = new() };

        public (string, string) Pair { get; } = string.CompareOrdinal(a, b) < 0 ? (a, b) : (b, a);

        public bool IsBroken { get; private set; }

        /// <summary>What is on its way to one of the two.</summary>
        public Queue<(FrameHeader Frame, long Value)> To(string worker) => _to[worker];

        public void Send(string to, FrameHeader frame, long value)
        {
            if (!IsBroken) _to[to].Enqueue((frame, value));
        }

        /// <summary>What was sent last is lost; either end will notice.</summary>
        public void Break(Random random)
        {
            IsBroken = true;
            foreach (var end in Pair is var (x, y) ? (string[])[x, y] : []) _to[end] = new(_to[end].Take(random.Next(_to[end].Count + 1)));
        }
    }

    private sealed class SimulatedWorker(string id, ClusterSimulation cluster)
    {
        private Reducer _reducer = new(new(cluster._rounds, _layout, isCoordinator: false, cluster._half));
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

        public StateDigest Digest => new(0, (ulong)State);
        public bool IsLeaving { get; set; }
        public bool IsPrepared => cluster._cluster.Members.TryGetValue(id, out var m) && m.Status != MemberStatus.Preparing;

        /// <summary>It does nothing, whatever comes.</summary>
        public bool IsFrozen { get; set; }

        /// <summary>It has no coordinator.</summary>
        public bool IsCut { get; private set; }

        public Holding Holding => new(Protocol.Generation, Applied);

        /// <summary>What it hears from its own links, and nobody can take back.</summary>
        private readonly Queue<Action<SimulatedWorker>> _mail = new();
        private bool _isUnlinked;

        public void Cut()
        {
            IsCut = true;
            ToCoordinator.Clear();
            Inbox.Clear();
            LinkInbox.Clear();
            _outbound.Clear();
            _isUnlinked = true;
        }

        /// <summary>It is taken in again, with what it holds or as a newcomer.</summary>
        public void Return(bool isAdopted)
        {
            IsCut = false;
            ToCoordinator.Clear();
            if (isAdopted) return;
            foreach (var link in Links.Values) link.Break(cluster._random);
            Links.Clear();
            _mail.Clear();
            (Protocol, State, _work, _isMapping, _expected) = (new(id, cluster._rounds), 0, null, false, default);
            _reducer = new(new(cluster._rounds, _layout, isCoordinator: false, cluster._half));
        }

        public Queue<Action<SimulatedWorker>> Inbox { get; } = new();
        public Queue<Action<SimulatedWorker>> LinkInbox { get; } = new();
        public Queue<ClusterEvent> ToCoordinator { get; } = new();
        private readonly Queue<(FrameHeader Frame, long Value)> _outbound = new();

        /// <summary>Its links to other workers of a mesh; broken ones until it notices.</summary>
        public SortedDictionary<string, Link> Links { get; } = new(StringComparer.Ordinal);

        public IEnumerable<Action> Actions()
        {
            if (IsFrozen)
            {
                yield return () => IsFrozen = cluster._random.Next(40) > 0;
                yield break;
            }
            if (IsCut) yield return () => cluster.Return(this);
            if (_mail.Count > 0) yield return () => _mail.Dequeue()(this);
            if (Inbox.Count > 0) yield return () => Inbox.Dequeue()(this);
            if (LinkInbox.Count > 0) yield return () => LinkInbox.Dequeue()(this);
            if (!IsCut && ToCoordinator.Count > 0) yield return () => cluster.Decide(ToCoordinator.Dequeue());
            if (_outbound.Count > 0) yield return () => { var (frame, value) = _outbound.Dequeue(); cluster.Reduce(id, frame, value); };
            if (_isMapping) yield return Compute;
            foreach (var (peer, link) in Links)
            {
                if (link.To(id).TryPeek(out var next) && Judge(peer, next.Frame) != FrameVerdict.Early) yield return () => Receive(peer, link.To(id).Dequeue());
                if (link.IsBroken) yield return () => LoseLink(peer, "it broke");
            }
        }

        private FrameVerdict Judge(string peer, FrameHeader frame) =>
            frame.Kind == FrameKind.Average ? FrameVerdict.Accept : _reducer.Judge(_reducer.IndexOf(peer), frame);

        private void Receive(string peer, (FrameHeader Header, long Value) frame)
        {
            if (frame.Header.Kind == FrameKind.Average) ReceiveAverage(frame.Header, frame.Value);
            else if (Judge(peer, frame.Header) == FrameVerdict.Accept)
            {
                Assert.Equal((Protocol.Generation, Applied), (frame.Header.Generation, frame.Header.Round));
                Reduce(_reducer.IndexOf(peer), frame.Header, frame.Value);
            }
        }

        private void LoseLink(string peer, string why)
        {
            Links.Remove(peer);
            if (Protocol.Plan is { } plan && plan.Includes(peer)) ToCoordinator.Enqueue(new ClusterEvent.PeerLost(id, plan.Generation, peer, why));
        }

        private void Connect(string peer)
        {
            if (peer == id || Links.ContainsKey(peer)) return;
            if (!cluster._workers.TryGetValue(peer, out var other) || other.IsFrozen || cluster._blocked == (id, peer) || cluster._blocked == (peer, id))
            {
                LoseLink(peer, "it does not answer");
                return;
            }
            var link = new Link(id, peer);
            Links[peer] = link;
            if (other.Links.ContainsKey(id)) other.LoseLink(id, "it was replaced");
            other.Links[id] = link;
        }

        /// <summary>Takes in a contribution, and sends every average that is due.</summary>
        private void Reduce(int worker, FrameHeader frame, long value)
        {
            var plan = _reducer.Slices.Plan!;
            foreach (var (slice, sum) in _reducer.Take(worker, frame, value))
            {
                var average = frame with { Kind = FrameKind.Average, Slice = slice, Node = default };
                ReceiveAverage(average, sum);
                foreach (var peer in plan.Workers) SendTo(peer, average, sum);
            }
        }

        private void ReceiveAverage(FrameHeader frame, long value)
        {
            var first = _layout.FirstSlice(cluster._rounds.At(frame.Round).Kind);
            ReceiveSlice(frame.Generation, frame.Round, frame.Slice - first, _layout.Slices - first, value);
        }

        private void SendTo(string peer, FrameHeader frame, long value)
        {
            if (Links.TryGetValue(peer, out var link)) link.Send(peer, frame, value);
        }

        public void Handle(ReplicaEvent happened)
        {
            if (happened is ReplicaEvent.PlanBegan) _isUnlinked = false;
            (Protocol, var effects) = Protocol.Handle(happened);
            foreach (var effect in effects) Carry(effect);
        }

        /// <summary>The link tells the replica, which may have been told other things before.</summary>
        public void Receive(int generation, long applied, long state) => _mail.Enqueue(w => w.Restore(generation, applied, state));

        public void ReceiveSlice(int generation, long round, int slice, int slices, long value)
        {
            if ((generation, round) != _expected)
            {
                Assert.True(generation < _expected.Generation, $"{id} expects {_expected}, receives {(generation, round)}");
                return;
            }
            Assert.True(_slices.TryAdd(slice, value));
            if (_slices.Count == slices) _mail.Enqueue(w => w.Handle(new ReplicaEvent.AverageArrived(generation, round)));
        }

        private void Restore(int generation, long applied, long state)
        {
            if (generation != Protocol.Generation || Protocol.Plan is not null) return;
            State = state;
            if (!cluster._rounds.Relaxed) Assert.Equal(cluster._reference[applied], State);
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
                    if (cluster.IsMesh) _reducer.Slices.Fence(Protocol.Generation);
                    break;
                case ReplicaEffect.Map map:
                    if (cluster.IsMesh) EnterMesh(map.Round.Number);
                    if (_work?.Round != map.Round)
                    {
                        _work = new(map.Round);
                        _sums.Values.Clear();
                    }
                    _generation = map.Generation;
                    foreach (var node in _work.Assign(map.Range, [])) Send(node);
                    if (map.Range.Count == 0) SendPresent(map.Round);
                    _isMapping = !_work.IsDone;
                    break;
                case ReplicaEffect.Apply apply:
                    State = ClusterSimulation.Applied(State, apply.Round, Enumerable.Range(0, _slices.Count).Select(s => _slices[s]));
                    cluster.Check(this, apply.Round.Number);
                    ToCoordinator.Enqueue(new ClusterEvent.Reached(id, apply.Round.Number + 1));
                    break;
                case ReplicaEffect.ReportHalted halted:
                    ToCoordinator.Enqueue(new ClusterEvent.Halted(id, halted.Generation, halted.Applied, Digest));
                    break;
                case ReplicaEffect.ReportSynced synced:
                    ToCoordinator.Enqueue(new ClusterEvent.Synced(id, synced.Generation, synced.Applied, Digest));
                    break;
            }
        }

        private void EnterMesh(long round)
        {
            var plan = Protocol.Plan!;
            if (_reducer.Slices.Plan != plan)
            {
                _reducer.Slices.Begin(plan, plan.IndexOf(id));
                foreach (var peer in plan.Workers) Connect(peer);
            }
            _reducer.Enter(round);
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
            {
                var (plan, value) = (Protocol.Plan!, _sums.Values[(node.First, slice)]);
                var frame = new FrameHeader(FrameKind.Contribution, 0, _generation, round.Number, slice, node, _layout.WireBytesOf(slice, cluster._half));
                var owner = plan.OwnerOf(slice);
                if (owner == Plan.Coordinator) SendStar(frame, value);
                else if (plan.Workers[owner] == id) Reduce(owner, frame, value);
                else SendTo(plan.Workers[owner], frame, value);
            }
        }

        private void SendStar(FrameHeader frame, long value)
        {
            if (!_isUnlinked) _outbound.Enqueue((frame, value));
        }

        private void SendPresent(Round round)
        {
            var plan = Protocol.Plan!;
            var frame = new FrameHeader(FrameKind.Present, 0, _generation, round.Number, 0, default, 0);
            var owners = Enumerable.Range(0, _layout.Slices).Skip(_layout.FirstSlice(round.Kind)).Select(plan.OwnerOf).Distinct();
            foreach (var owner in owners)
            {
                if (owner == Plan.Coordinator) SendStar(frame, 0);
                else SendTo(plan.Workers[owner], frame, 0);
            }
        }
    }
}
