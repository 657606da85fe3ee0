using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// A whole cluster in one thread and virtual time: the real protocols, conversations, reduction, records, checkpoints and resume, with
/// vectors replaced by hashes that tell what was added to what. One seed decides which message is delivered next, lost or delivered twice;
/// which worker computes, joins, leaves, dies, freezes or loses its link to the coordinator; when the coordinator is killed or loses power,
/// and what its disk then holds; when the disk is full or broken; how long a former coordinator goes on; which link between two workers
/// breaks; and how small the limits are. Links are first in, first out; between links, and between control messages, any order may occur.
/// </summary>
internal sealed partial class ClusterSimulation
{
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(500);

    private readonly SortedDictionary<string, SimulatedWorker> _workers = new(StringComparer.Ordinal);
    private readonly List<(string Worker, SimulatedCoordinator Coordinator)> _closed = [];
    private readonly Dictionary<(string, string), int> _breaks = [];
    private readonly SimulatedNetwork _network;
    private readonly int _messageFaults;
    private readonly int? _maxRestarts;
    private SimulatedStarter? _starter;
    private SimulatedCoordinator? _former;
    private (string, string)? _blocked;
    private long _highest;
    private int _born;
    private int _sinceFault;
    private bool _isFinishedWithoutFarewell;
    private bool _areAllNew;
    private int _leaves;
    private readonly HashSet<string> _misfits = new(StringComparer.Ordinal);

    /// <param name="seed">Decides everything that is random.</param>
    /// <param name="rounds">The job; the states of a relaxed one follow a plain loop only as long as the workers stay the same.</param>
    /// <param name="topology">Whether the workers or the coordinator reduce.</param>
    /// <param name="workers">How many the first plan waits for.</param>
    /// <param name="minWorkers">How many later plans need.</param>
    /// <param name="blocked">Two workers that cannot reach each other until one of them is turned away.</param>
    /// <param name="isOpen">Whether all workers may leave, and others join in their place.</param>
    /// <param name="messageFaults">How many control messages are lost or delivered twice.</param>
    /// <param name="census">Counts what happens.</param>
    /// <param name="maxRestarts">How often the coordinator restarts workers that it has started; null where it starts none.</param>
    public ClusterSimulation(
        int seed, Rounds rounds, Topology topology, int workers, int minWorkers, (string, string)? blocked = null, bool isOpen = false,
        int messageFaults = 0, Census? census = null, int? maxRestarts = null, FailureCause? expected = null)
    {
        (Random, Rounds, _blocked, Census) = (new(seed), rounds, blocked, census ?? new());
        (_messageFaults, _maxRestarts, Expected) = (messageFaults, maxRestarts, expected);
        (IsBfloat16, HasFiles) = (Random.Next(2) == 0, Random.Next(2) == 0);
        (HasInitial, IsProbing) = (Random.Next(4) == 0, Random.Next(4) == 0);
        Limits = new(_tick, 4 * _tick, Random.Next(20, 60) * _tick, Window: Random.Next(1, 5));
        SafeInterval = Random.Next(1, 9);
        KeptBytes = (SafeInterval + Random.Next(1, 9)) * (long)MessageBounds.ReportBytes(3);
        ReportsBytes = Random.Next(1, 4) * MessageBounds.ReportBytes(3);
        _network = new(Random, Census);
        Job = Job.Default with
        {
            Epochs = rounds.Epochs,
            Batch = rounds.Batch,
            MicroBatches = rounds.MicroBatches,
            Determinism = rounds.Relaxed ? "relaxed" : "strict",
            Wire = "float32",
            Checkpoint = new() { EverySteps = expected is null ? Random.Next(6) : 0, Keep = Random.Next(1, 3) },
        };
        (Topology, Folder, Lineage) = (topology, new(Random, Census), new(rounds, workers, Census));
        Current = new(this, SimulatedBooks.Begin(this, minWorkers, isLocal: maxRestarts is not null), startWith: workers, isOpen);
        if (maxRestarts is not null)
        {
            StartLocal(workers);
            return;
        }
        for (var i = 0; i < workers; i++)
            Join(i == 0 || expected == FailureCause.BatchTooLarge ? MisfitFor(expected) : Misfit.None);
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

    /// <summary>Decides everything that is random.</summary>
    public Random Random { get; }

    public Rounds Rounds { get; }

    /// <summary>When messages are repeated.</summary>
    public ConversationLimits Limits { get; }

    /// <summary>After how many rounds the coordinator says again which rounds are safe.</summary>
    public long SafeInterval { get; }

    /// <summary>Bytes of reports that a worker keeps.</summary>
    public long KeptBytes { get; }

    /// <summary>Bytes of the reports in a message.</summary>
    public int ReportsBytes { get; }

    /// <summary>Whether contributions travel as bfloat16.</summary>
    public bool IsBfloat16 { get; }

    /// <summary>Whether the data is in files, which a worker may lack.</summary>
    public bool HasFiles { get; }

    /// <summary>Whether the job begins with parameters from a file.</summary>
    public bool HasInitial { get; }

    /// <summary>Whether each worker is asked first how large a micro-batch may be.</summary>
    public bool IsProbing { get; }

    /// <summary>The cause for which the run should fail; null where it should succeed.</summary>
    public FailureCause? Expected { get; }

    /// <summary>Whether the coordinator makes mistakes and workers register that do not fit.</summary>
    public bool HasMistakes { get; init; }

    public bool IsLocal => _starter is not null;

    public Job Job { get; }

    /// <summary>The states that replicas may have.</summary>
    public SimulatedLineage Lineage { get; }

    /// <summary>What outlives the coordinators.</summary>
    public SimulatedRunFolder Folder { get; }

    public Topology Topology { get; }

    public bool IsMesh => Topology == Topology.Mesh;

    public int Steps { get; private set; }

    /// <summary>Steps between the last fault and the end.</summary>
    public int SinceFault => _sinceFault;

    public IEnumerable<SimulatedWorker> Alive => _workers.Values;

    /// <summary>Runs until the job is over and every worker that takes part has heard so.</summary>
    /// <param name="faults">How many joins, leaves, deaths and broken links happen meanwhile.</param>
    public void Run(int faults)
    {
        _network.Faults = _messageFaults;
        while (!IsEnd)
        {
            Steps++;
            if (faults > 0 || _network.Faults > 0) _sinceFault = 0;
            if (_sinceFault++ >= MaxStepsAfterFaults || Steps >= 200_000)
            {
                Assert.Fail(
                    $"no end in sight: {Cluster.Phase}, generation {Cluster.Generation}, {_highest} of {Rounds.Count} rounds, "
                    + $"{Current.Entered} entered; {Census}");
            }
            try
            {
                Step(ref faults);
            }
            catch (OperationCanceledException)
            {
                Restart(isKilled: true);
            }
        }
        foreach (var (what, count) in Folder.Disk.Seen) Census.Count(what, count);
        if (Expected is { } expected)
        {
            Assert.Equal(expected, Current.FailureCause);
            return;
        }
        if (_starter is not null && Current.FailureCause is FailureCause.LocalWorker) return;
        if (_starter is not null && Current.Failure is { } failure
            && (failure.Contains(" are left, and no other is started: ", StringComparison.Ordinal)
                || failure.StartsWith("all workers are gone", StringComparison.Ordinal)))
        {
            // A worker that registers while the coordinator collects the result is told that the job is done. It is then not started
            // again, even if the result is lost.
            Assert.True(HasMistakes || _starter.IsUsedUp || Refused.Any(refused => refused.Reason == "the job is done"), failure);
            Census.Count(_starter.IsUsedUp ? "restarts used up" : "turned away before the result was lost");
            return;
        }
        if (!_isFinishedWithoutFarewell)
        {
            Assert.Equal((ClusterPhase.Finished, null), (Cluster.Phase, Current.Failure));
            // When the coordinator dismisses the workers, the result is on the disk.
            Folder.EndProcess();
            Folder.CutPower();
        }
        if (!HadTwo && !Cluster.IsOpen) Assert.Equal(Rounds.Count, _highest);
        Result = Folder.ReadModel();
        Lineage.Check(Rounds.Count, Result);
        Folder.CheckFinished(Rounds, Job.Kind.Metric, Result);
    }

    private bool IsEnd => _isFinishedWithoutFarewell || (Current.IsOver && (Current.Failure is not null || !Current.Workers.Any()));

    private void Step(ref int faults)
    {
        if (faults > 0 && Random.Next(60) == 0)
        {
            faults--;
            Fault();
        }
        // When the coordinator's job is over, no further faults happen.
        if (Current.IsOver) (faults, _network.Faults) = (0, 0);
        var actions = _workers.Values.SelectMany(w => w.Actions()).ToList();
        if (!_network.IsEmpty) actions.AddRange(Enumerable.Repeat(Deliver, 1 + _workers.Count));
        foreach (var closed in _closed) actions.Add(() => NoticeClosed(closed));
        actions.AddRange(Current.Books.Actions());
        if (_former is not null) actions.AddRange(_former.Books.Actions().Append(() => { if (Random.Next(20) == 0) EndFormer(); }));
        if (_starter is not null) actions.AddRange(_starter.Actions());
        if (Folder.IsFaulty) actions.Add(() => { if (Random.Next(100) == 0) Folder.Mend(); });
        var isWaiting = actions.Count == 0;
        if ((isWaiting && !IsQuiet) || Random.Next(20) == 0) actions.Add(Tick);
        if ((isWaiting && (actions.Count == 0 || (_messageFaults > 0 && Random.Next(100) == 0)))
            || (Cluster.IsOpen && Random.Next(500) == 0)) Wait();
        else actions[Random.Next(actions.Count)]();
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
        // The cluster can only wait for newcomers.
        else if (_starter is null && _workers.Values.All(w => w.IsPrepared && !w.IsCut)) Join();
    }

    private void EndFormer()
    {
        if (_former is null) return;
        foreach (var worker in _workers.Values) worker.CloseLink(_former);
        _closed.RemoveAll(closed => closed.Coordinator == _former);
        _former = null;
    }
}
