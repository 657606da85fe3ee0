using System.Collections.Immutable;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// A whole cluster in one thread and virtual time: the real protocols and the real reduction, with vectors replaced by
/// hashes that tell what was added to what. One seed decides which message is delivered next, who computes, who joins,
/// leaves, dies, stands still or loses its link to the coordinator, when that is started again, and which link between two
/// workers breaks. Every channel is first in, first out, as connections are;
/// between channels anything goes.
/// </summary>
internal sealed class ClusterSimulation
{
    private readonly Dictionary<string, SimulatedWorker> _workers = [];
    private readonly Queue<ClusterEvent> _toCoordinator = new();
    private readonly SortedDictionary<string, int> _died = new(StringComparer.Ordinal);
    private readonly Dictionary<(string, string), int> _breaks = [];
    private readonly Dictionary<(int Generation, long Round), long> _states = [];
    private (string, string)? _blocked;
    private readonly SortedDictionary<int, long> _average = [];
    private readonly Stack<StoredState> _disk = [];
    private ClusterProtocol _cluster;
    private SimulatedReducer? _star;
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
        (Random, Rounds, _blocked) = (new(seed), rounds, blocked);
        IsHalf = Random.Next(2) == 0;
        _cluster = new()
        {
            Job = new(rounds.Epochs, rounds.Batch, rounds.MicroBatches, rounds.Relaxed, IsExact: !rounds.Relaxed),
            IsOpen = isOpen,
            Topology = topology,
            StartWith = workers,
            MinWorkers = minWorkers,
        };
        Reference = SimulatedVectors.Reference(rounds, workers);
        for (var i = 0; i < workers; i++) Join();
    }

    public ClusterProtocol Cluster => _cluster;

    /// <summary>The state after the last round.</summary>
    public long Result { get; private set; }

    public List<ClusterEffect.Refuse> Refused { get; } = [];

    /// <summary>Decides everything that is left open.</summary>
    public Random Random { get; }

    public Rounds Rounds { get; }

    /// <summary>Whether contributions travel in half precision.</summary>
    public bool IsHalf { get; }

    /// <summary>The states of a plain loop without a cluster.</summary>
    public long[] Reference { get; }

    public bool IsMesh => _cluster.Topology == Topology.Mesh;

    public int Steps { get; private set; }

    /// <summary>Runs until the job is over.</summary>
    /// <param name="faults">How many joins, leaves, deaths and broken links happen on the way.</param>
    public void Run(int faults)
    {
        while (_cluster.Phase is not (ClusterPhase.Finished or ClusterPhase.Failed))
        {
            Assert.True(Steps++ < 50_000, $"no end in sight: {_cluster.Phase}, generation {_cluster.Generation}, {_highest} of {Rounds.Count} rounds");
            if (faults > 0 && Random.Next(60) == 0)
            {
                faults--;
                Fault();
            }
            var actions = _workers.Values.SelectMany(w => w.Actions()).ToList();
            if (_toCoordinator.Count > 0) actions.Add(() => Decide(_toCoordinator.Dequeue()));
            foreach (var worker in _died.Keys) actions.Add(() => NoticeDeath(worker));
            if (actions.Count == 0 || (_cluster.IsOpen && Random.Next(500) == 0)) Wait();
            else actions[Random.Next(actions.Count)]();
        }
        Assert.True(_cluster.Phase == ClusterPhase.Finished, _failure);
        Assert.Equal(Rounds.Count, IsMesh || _cluster.IsOpen ? _highest : _completed);
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
        if (!Rounds.Relaxed && Random.Next(4) == 0 && _cluster.Plan is { } plan)
        {
            Decide(new ClusterEvent.Unbalanced(plan.Workers.ToImmutableDictionary(w => w, w => w == plan.Workers[0] ? 1 : Random.Next(4)), "somebody is slow"));
            return;
        }
        if (_cluster.IsOpen && Random.Next(3) == 0)
        {
            FaultOfControl();
            return;
        }
        switch (Random.Next(IsMesh ? 5 : 3))
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
                foreach (var message in victim.ToCoordinator.Take(Random.Next(victim.ToCoordinator.Count + 1))) _toCoordinator.Enqueue(message);
                _died[victim.Id] = 0;
                break;
            default:
                var links = _workers.Values.SelectMany(w => w.Links.Values).Where(l => !l.IsBroken && _breaks.GetValueOrDefault(l.Pair) < ClusterProtocol.MaxBreaks - 1).Distinct().ToList();
                if (AnyOf(links) is not { } link) break;
                _breaks[link.Pair] = _breaks.GetValueOrDefault(link.Pair) + 1;
                link.Break(Random);
                break;
        }
    }

    private void FaultOfControl()
    {
        switch (Random.Next(3))
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
    public void Return(SimulatedWorker worker)
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

    public SimulatedWorker? Find(string worker) => _workers.GetValueOrDefault(worker);

    /// <summary>Whether two workers cannot reach each other.</summary>
    public bool IsBlocked(string worker, string peer) => _blocked == (worker, peer) || _blocked == (peer, worker);

    private T? AnyOf<T>(List<T> choices) where T : class => choices.Count < 1 ? null : choices[Random.Next(choices.Count)];

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
        foreach (var link in gone.Links.Values) link.Break(Random);
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
            worker.Id, new("data", Rounds.TrainSamples, Rounds.TestSamples, SimulatedVectors.Layout, 8, "initial", worker.Id, 1), worker.Holding));
    }

    public void Decide(ClusterEvent happened)
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
        Assert.Equal(Rounds.Count, plan.EndRound);
        var live = _workers.Values.Where(w => plan.Includes(w.Id)).ToList();
        Assert.All(live, worker => Assert.Equal((plan.FirstRound, live[0].State), (worker.Applied, worker.State)));
        Assert.DoesNotContain(_workers.Values, w => w.IsLeaving && !w.IsCut && !_cluster.Members.ContainsKey(w.Id));
    }

    /// <summary>A replica has applied a round.</summary>
    public void Check(SimulatedWorker worker, long round)
    {
        if (!Rounds.Relaxed) Assert.Equal(Reference[round + 1], worker.State);
        else if (!_states.TryAdd((worker.Protocol.Generation, round), worker.State)) Assert.Equal(_states[(worker.Protocol.Generation, round)], worker.State);
        _highest = Math.Max(_highest, round + 1);
        // On the disk sooner than anybody hears of it.
        if (_cluster.IsOpen && Random.Next(6) == 0 && (!_disk.TryPeek(out var newest) || newest.Applied <= round))
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
                Assert.Equal(Rounds, open.Rounds);
                if (!IsMesh) _star = new(new(Rounds, SimulatedVectors.Layout, isCoordinator: true, IsHalf));
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
                if (Random.Next(4) == 0)
                {
                    while (_disk.TryPop(out var damaged) && damaged.Applied >= _cluster.Stored!.Applied)
                    {
                        // Those that are newer than what it has heard of are gone too.
                    }
                    return new ClusterEvent.Damaged(_disk.TryPeek(out var before) ? before : null, "it cannot be read");
                }
                var (loaded, bits) = (_cluster.Stored!.Applied, Reference[_cluster.Stored.Applied]);
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
                Assert.All(InPlay, m => Assert.Equal(Rounds.Count, m.Applied));
                Tell(collect.Donor, donor =>
                {
                    Result = donor.State;
                    Assert.Equal(Rounds.Count, donor.Applied);
                    if (!Rounds.Relaxed) Assert.Equal(Reference[^1], donor.State);
                    donor.ToCoordinator.Enqueue(new ClusterEvent.Collected());
                });
                return null;
            case ClusterEffect.Save:
                return new ClusterEvent.Saved();
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
    public void Reduce(string worker, FrameHeader frame, long value)
    {
        if (!_cluster.Members.ContainsKey(worker)) return;
        var index = _star!.IndexOf(worker);
        var verdict = _star.Judge(index, frame);
        Assert.NotEqual(FrameVerdict.Early, verdict);
        if (verdict == FrameVerdict.Stale) return;
        var (round, plan) = (_star.Slices.Current!.Value, _star.Slices.Plan!);
        var first = SimulatedVectors.Layout.FirstSlice(round.Kind);
        foreach (var (slice, sum) in _star.Take(index, frame, value))
        {
            _average[slice] = sum;
            foreach (var receiver in plan.Workers)
                Tell(receiver, w => w.ReceiveSlice(plan.Generation, round.Number, slice - first, SimulatedVectors.Layout.Slices - first, sum), overLink: true);
        }
        if (!_star.Slices.IsComplete) return;
        _lastAverage = [.. _average.Values];
        _average.Clear();
        _star.Enter(++_completed);
    }
}
