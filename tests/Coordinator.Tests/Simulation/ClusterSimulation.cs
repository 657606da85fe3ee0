using System.Collections.Immutable;
using Distributed.Shared.Kernel;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// A whole cluster in one thread and virtual time: the real protocols, conversations, ledger and reduction, with vectors replaced by
/// hashes that tell what was added to what. One seed decides which message is delivered next, lost or delivered twice, who computes,
/// who joins, leaves, dies, stands still or loses its link to the coordinator, when that is started again and how long the former one
/// goes on, which link between two workers breaks, and how small the limits are. Links are first in, first out; between them, and
/// between control messages, anything goes.
/// </summary>
internal sealed class ClusterSimulation
{
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(500);

    private readonly SortedDictionary<string, SimulatedWorker> _workers = new(StringComparer.Ordinal);
    private readonly List<(string Worker, SimulatedCoordinator Coordinator)> _closed = [];
    private readonly Dictionary<(string, string), int> _breaks = [];
    private readonly Dictionary<(int Generation, long Round), long> _states = [];
    private readonly SortedDictionary<long, long> _lineage = new() { [0] = 0 };
    private readonly Stack<(StoredState State, long Bits)> _disk = [];
    private readonly SimulatedNetwork _network;
    private readonly int _messageFaults;
    private (StoredState State, long Bits)? _unstored;
    private SimulatedCoordinator? _former;
    private (string, string)? _blocked;
    private long _highest;
    private int _born;
    private int _sinceFault;

    /// <param name="seed">Decides everything that is left open.</param>
    /// <param name="rounds">The job; the states of a relaxed one follow a plain loop only as long as the workers stay the same.</param>
    /// <param name="topology">Who reduces.</param>
    /// <param name="workers">How many the first plan waits for.</param>
    /// <param name="minWorkers">How many later plans need.</param>
    /// <param name="blocked">Two workers that cannot reach each other until one of them is turned away.</param>
    /// <param name="isOpen">Whether all workers may go, and others come in their place.</param>
    /// <param name="messageFaults">How many control messages are lost or come twice.</param>
    /// <param name="census">Counts what happens.</param>
    public ClusterSimulation(
        int seed, Rounds rounds, Topology topology, int workers, int minWorkers, (string, string)? blocked = null, bool isOpen = false, int messageFaults = 0, Census? census = null)
    {
        (Random, Rounds, _blocked, Census, _messageFaults) = (new(seed), rounds, blocked, census ?? new(), messageFaults);
        IsHalf = Random.Next(2) == 0;
        Limits = new(_tick, 4 * _tick, Random.Next(20, 60) * _tick, Window: Random.Next(1, 5));
        SafeInterval = Random.Next(1, 9);
        KeptBytes = (SafeInterval + Random.Next(1, 9)) * (long)MessageBounds.ReportBytes(3);
        ReportsBytes = Random.Next(1, 4) * MessageBounds.ReportBytes(3);
        _network = new(Random, Census);
        Current = new(this, new()
        {
            Job = new(rounds.Epochs, rounds.Batch, rounds.MicroBatches, rounds.Relaxed, IsExact: !rounds.Relaxed),
            IsOpen = isOpen,
            Topology = topology,
            StartWith = workers,
            MinWorkers = minWorkers,
        }, entered: 0);
        Reference = SimulatedVectors.Reference(rounds, workers);
        for (var i = 0; i < workers; i++) Join();
    }

    public ClusterProtocol Cluster => Current.Cluster;

    /// <summary>The coordinator of the run folder.</summary>
    public SimulatedCoordinator Current { get; private set; }

    /// <summary>Whether there was another at the same time.</summary>
    public bool HadTwo { get; private set; }

    /// <summary>The state after the last round.</summary>
    public long Result { get; private set; }

    public List<ClusterEffect.Refuse> Refused { get; } = [];

    public Census Census { get; }

    /// <summary>Decides everything that is left open.</summary>
    public Random Random { get; }

    public Rounds Rounds { get; }

    /// <summary>When messages are repeated.</summary>
    public ConversationLimits Limits { get; }

    /// <summary>Rounds between two of which the coordinator says that they are safe.</summary>
    public long SafeInterval { get; }

    /// <summary>Bytes of reports that a worker keeps.</summary>
    public long KeptBytes { get; }

    /// <summary>Bytes of the reports in a message.</summary>
    public int ReportsBytes { get; }

    /// <summary>Whether contributions travel in half precision.</summary>
    public bool IsHalf { get; }

    /// <summary>The states of a plain loop without a cluster.</summary>
    public long[] Reference { get; }

    public bool IsMesh => Cluster.Topology == Topology.Mesh;

    public int Steps { get; private set; }

    /// <summary>The most that happened between the last fault and the end.</summary>
    public int SinceFault => _sinceFault;

    public IEnumerable<SimulatedWorker> Alive => _workers.Values;

    /// <summary>The newest state that can be read.</summary>
    public StoredState? NewestStored => _disk.TryPeek(out var newest) ? newest.State : null;

    /// <summary>Runs until the job is over, and everybody who has a part in it has heard so.</summary>
    /// <param name="faults">How many joins, leaves, deaths and broken links happen on the way.</param>
    public void Run(int faults)
    {
        _network.Faults = _messageFaults;
        while (!(Current.IsOver && (Current.Failure is not null || !Current.Workers.Any())))
        {
            Steps++;
            if (faults > 0 || _network.Faults > 0) _sinceFault = 0;
            Assert.True(_sinceFault++ < MaxStepsAfterFaults && Steps < 200_000,
                $"no end in sight: {Cluster.Phase}, generation {Cluster.Generation}, {_highest} of {Rounds.Count} rounds, {Current.Ledger.Entered} entered; {Census}");
            if (faults > 0 && Random.Next(60) == 0)
            {
                faults--;
                Fault();
            }
            // Faults that have not happened by then do not happen.
            if (Current.IsOver) (faults, _network.Faults) = (0, 0);
            var actions = _workers.Values.SelectMany(w => w.Actions()).ToList();
            if (!_network.IsEmpty) actions.AddRange(Enumerable.Repeat(Deliver, 1 + _workers.Count));
            foreach (var closed in _closed) actions.Add(() => NoticeClosed(closed));
            if (_former is not null) actions.Add(() => { if (Random.Next(20) == 0) EndFormer(); });
            var isWaiting = actions.Count == 0;
            if (!IsQuiet && (isWaiting || Random.Next(20) == 0)) actions.Add(Tick);
            if ((isWaiting && (actions.Count == 0 || (_messageFaults > 0 && Random.Next(100) == 0))) || (Cluster.IsOpen && Random.Next(500) == 0)) Wait();
            else actions[Random.Next(actions.Count)]();
        }
        Assert.True(Cluster.Phase == ClusterPhase.Finished, Current.Failure);
        if (!HadTwo && !Cluster.IsOpen) Assert.Equal(Rounds.Count, _highest);
        Assert.Equal(Rounds.Count, Current.Ledger.Entered);
    }

    /// <summary>A multiple of what the slowest of a hundred thousand runs took.</summary>
    private int MaxStepsAfterFaults => 20_000 + (int)(200 * Rounds.Count * Rounds.MicroBatches);

    private bool IsQuiet => Current.IsQuiet && _former?.IsQuiet != false && _workers.Values.All(w => w.IsFrozen || w.IsQuiet);

    private void Deliver() => _network.Move(to => to is not SimulatedWorker { IsFrozen: true });

    /// <summary>Time passes on all machines.</summary>
    private void Tick()
    {
        Current.Pass(_tick);
        _former?.Pass(_tick);
        foreach (var worker in _workers.Values.ToList())
            if (!worker.IsFrozen) worker.Pass(_tick);
    }

    /// <summary>Time passes in which nothing happens.</summary>
    private void Wait()
    {
        if (!Cluster.Returning.IsEmpty) Current.Decide(new ClusterEvent.ReturnOver());
        else if (Cluster.Phase != ClusterPhase.Gathering) Current.Decide(new ClusterEvent.Overdue("nothing happened"));
        else if (_workers.Values.FirstOrDefault(w => w.IsFrozen) is { } frozen) frozen.IsFrozen = false;
        // Only newcomers can be what it waits for.
        else if (_workers.Values.All(w => w.IsPrepared && !w.IsCut)) Join();
    }

    private void Fault()
    {
        if (!Rounds.Relaxed && Random.Next(4) == 0 && Cluster.Plan is { } plan)
        {
            Current.Decide(new ClusterEvent.Unbalanced(plan.Workers.ToImmutableDictionary(w => w, w => w == plan.Workers[0] ? 1 : Random.Next(4)), "somebody is slow"));
            return;
        }
        if (Cluster.IsOpen && Random.Next(3) == 0)
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
                // The coordinator may let it go before it notices that another is dead.
                AnyOf([.. Expendable().Where(w => w.IsPrepared && !w.IsLeaving)])?.Leave();
                break;
            case 2:
                if (AnyOf([.. Expendable()]) is { } victim) End(victim);
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
                if (AnyOf([.. _workers.Values.Where(w => !w.IsCut)]) is { } unlinked && unlinked.Cut() is { } coordinator) _closed.Add((unlinked.Id, coordinator));
                break;
            default:
                if (!Current.IsOver) Restart();
                break;
        }
    }

    /// <summary>
    /// The coordinator is started again, and knows what is on the disk. The former was killed, or goes on for a while: an exact job
    /// allows that, since whatever it does has the same bits.
    /// </summary>
    private void Restart()
    {
        EndFormer();
        var killed = Current;
        var durable = Random.NextInt64(Math.Max(killed.Safe, NewestStored?.Applied ?? 0), killed.Ledger.Entered + 1);
        if (durable < killed.Ledger.Entered) Census.Count("entered rounds lost with the coordinator");
        Census.Count(Rounds.Relaxed ? "relaxed job restarted" : "exact job restarted");
        _unstored = null;
        Current = new(this, new()
        {
            Job = killed.Cluster.Job,
            Topology = killed.Cluster.Topology,
            StartWith = killed.Cluster.StartWith,
            MinWorkers = killed.Cluster.MinWorkers,
            IsOpen = true,
            Generation = killed.Cluster.Generation,
            PlanGeneration = killed.Cluster.PlanGeneration,
            Reached = durable,
            StepsRedone = killed.Cluster.StepsRedone,
            Stored = NewestStored,
            Returning = [.. killed.Cluster.Plan?.Workers ?? []],
        }, durable);
        _former = killed;
        if (Rounds.Relaxed || Random.Next(2) == 0)
        {
            EndFormer();
            return;
        }
        HadTwo = true;
        Census.Count("two coordinators at once");
    }

    private void EndFormer()
    {
        if (_former is null) return;
        foreach (var worker in _workers.Values) worker.CloseLink(_former);
        _closed.RemoveAll(closed => closed.Coordinator == _former);
        _former = null;
    }

    /// <summary>A worker without a coordinator offers itself, to the one that listens.</summary>
    public void Offer(SimulatedWorker worker, Register register) => ToCoordinator(worker, Current, register);

    public void ToCoordinator(SimulatedWorker worker, SimulatedCoordinator coordinator, IControlMessage message)
    {
        var life = worker.Life;
        _network.Send($"{worker.Id}/{life}", worker, coordinator, message, arrived =>
        {
            if (coordinator == Current || coordinator == _former) coordinator.Receive(worker, life, arrived);
        });
    }

    public void ToWorker(SimulatedCoordinator coordinator, SimulatedWorker worker, IControlMessage message)
    {
        var life = worker.Life;
        _network.Send($"{worker.Id}/{life}", coordinator, worker, message, arrived => worker.Receive(coordinator, life, arrived));
    }

    public SimulatedWorker? Find(string worker) => _workers.GetValueOrDefault(worker);

    /// <summary>Whether two workers cannot reach each other.</summary>
    public bool IsBlocked(string worker, string peer) => _blocked == (worker, peer) || _blocked == (peer, worker);

    private T? AnyOf<T>(List<T> choices) where T : class => choices.Count < 1 ? null : choices[Random.Next(choices.Count)];

    /// <summary>The workers without any one of which another still holds the newest parameters; a mesh can do its last round again.</summary>
    private IEnumerable<SimulatedWorker> Expendable()
    {
        if (Cluster.IsOpen) return _workers.Values;
        var needed = IsMesh ? _highest - 1 : _highest;
        var all = _workers.Values.Where(w => w.IsPrepared).ToList();
        return all.Where(w => all.Any(o => o != w && !o.IsLeaving && o.Applied >= needed));
    }

    /// <summary>A worker's process ends, which its coordinator will notice.</summary>
    public void End(SimulatedWorker worker)
    {
        if (!_workers.Remove(worker.Id)) return;
        worker.IsGone = true;
        foreach (var link in worker.Links.Values) link.Break(Random);
        foreach (var coordinator in (SimulatedCoordinator?[])[Current, _former])
            if (coordinator?.Workers.Contains(worker) == true) _closed.Add((worker.Id, coordinator));
    }

    private void NoticeClosed((string Worker, SimulatedCoordinator Coordinator) closed)
    {
        _closed.Remove(closed);
        closed.Coordinator.Lose(closed.Worker, "its link is closed");
    }

    private void Join()
    {
        var worker = new SimulatedWorker($"worker-{++_born}", this);
        _workers.Add(worker.Id, worker);
    }

    /// <summary>A coordinator begins a plan: what of a relaxed job was done after its first round is rolled back.</summary>
    public void Began(SimulatedCoordinator coordinator, Plan plan)
    {
        if (_unstored is { } waiting && waiting.State.Applied > plan.FirstRound) _unstored = null;
        if (!Rounds.Relaxed) return;
        Assert.All(_workers.Values.Where(w => plan.Includes(w.Id) && w.IsWith(coordinator)), worker =>
            Assert.Equal(_lineage[plan.FirstRound], worker.State));
        if (_lineage.Keys.Max() > plan.FirstRound) Census.Count("relaxed job rolled back");
        foreach (var gone in _lineage.Keys.Where(round => round > plan.FirstRound).ToList()) _lineage.Remove(gone);
    }

    /// <summary>A replica has applied a round.</summary>
    public void Check(SimulatedWorker worker, long round)
    {
        if (!Rounds.Relaxed) Assert.Equal(Reference[round + 1], worker.State);
        else if (!_states.TryAdd((worker.Protocol.Generation, round), worker.State)) Assert.Equal(_states[(worker.Protocol.Generation, round)], worker.State);
        // A worker that has not heard of it yet may go on under a plan that was superseded.
        if (worker.Protocol.Generation >= Cluster.PlanGeneration) _lineage[round + 1] = worker.State;
        _highest = Math.Max(_highest, round + 1);
        if (Cluster.IsOpen && Random.Next(6) == 0 && worker.Protocol.Plan?.Generation == Cluster.Plan?.Generation) _unstored = (new(round + 1, worker.Digest), worker.State);
        if (worker.Protocol.Plan is not { } plan || HadTwo) return;
        foreach (var other in _workers.Values)
            if (other.Protocol.Plan?.Generation == plan.Generation) Assert.InRange(other.Applied, worker.Applied - 1, worker.Applied + 1);
    }

    /// <summary>A state that has come is stored once its round is entered.</summary>
    public void Store(SimulatedCoordinator coordinator)
    {
        if (coordinator != Current || _unstored is not { } state || coordinator.Ledger.Entered < state.State.Applied) return;
        _unstored = null;
        if (NewestStored is { } newest && newest.Applied >= state.State.Applied) return;
        _disk.Push(state);
        coordinator.Decide(new ClusterEvent.Stored(state.State));
    }

    /// <summary>A stored state cannot be read, nor any that is newer.</summary>
    public void Damage(StoredState stored)
    {
        while (_disk.TryPeek(out var newest) && newest.State.Applied >= stored.Applied) _disk.Pop();
    }

    /// <summary>The bits of a stored state; null where it cannot be read any more.</summary>
    public long? StoredState(StoredState stored) => _disk.Any(state => state.State == stored) ? _disk.First(state => state.State == stored).Bits : null;

    /// <summary>The result has come.</summary>
    public void Finish(long applied, long state)
    {
        Assert.Equal(Rounds.Count, applied);
        if (!Rounds.Relaxed) Assert.Equal(Reference[^1], state);
        else Assert.Equal(_lineage[applied], state);
        Result = state;
    }

    /// <summary>Whoever is turned away reaches the other again.</summary>
    public void Unblock() => _blocked = null;
}
