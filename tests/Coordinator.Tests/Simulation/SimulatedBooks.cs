using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Coordinator.Tests.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Prometheus;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// What a simulated coordinator keeps in the folder of its run: the product's recorder, checkpoints and run state. Work that waits for the
/// disk is done in order, concurrently with everything else, as <see cref="CheckpointStore.RunAsync"/> does it; the coordinator hears the
/// outcome later.
/// </summary>
internal sealed class SimulatedBooks
{
    private const string JobText = "task: classification\n";

    // Used by one thread at a time, as in the product; there are simulations on several threads.
    [ThreadStatic]
    private static TrainingMetrics? _metrics;

    private readonly SimulatedRunFolder _folder;
    private readonly Census _census;
    private readonly ManualTime _time = new();
    private readonly RunJournal _journal;
    private readonly CheckpointStore _store;
    private readonly PendingCheckpoints _pending = new();
    private readonly FlushSchedule _schedule;
    private readonly RestartRecord _restart;
    private readonly Queue<Func<Action>> _work = [];
    private readonly Queue<Action> _notices = [];
    private readonly RunState _begun;
    private bool _isStoring;
    private Loading? _loading;
    private (byte[] State, Action Written)? _result;

    private sealed record Loading(int Generation, StoredState State)
    {
        public List<Action<long, byte[]>> Receivers { get; } = [];

        public (long Applied, byte[] State)? Loaded { get; set; }
    }

    private SimulatedBooks(ClusterSimulation simulation, RunState begun, bool isResumed)
    {
        (_folder, Disk, _census, _begun) = (simulation.Folder, simulation.Folder.Disk, simulation.Census, begun);
        var rounds = begun.Facts is { } facts ? simulation.Job.ToShape().RoundsOf(facts) : null;
        _store = new(SimulatedRunFolder.Checkpoints, simulation.Job.Checkpoint.Keep, JobText, _time, Disk);
        Found = isResumed ? ResumePoint.Find(Disk, SimulatedRunFolder.Root, simulation.Job.Kind.Metric, rounds, _store) : ResumePoint.Start;
        _journal = new(Disk, SimulatedRunFolder.Root, simulation.Job.Kind.Metric);
        _metrics ??= new(Metrics.NewCustomRegistry());
        Recorder = new(_journal, simulation.Job, NoView.Instance, _metrics, _time, rounds, Found, begun.StartedAt);
        (_schedule, _restart) = (new(Recorder.Entered), new(Recorder, Save, _time));
        begun.Save(Disk, SimulatedRunFolder.StateFile);
    }

    /// <summary>The books of a new run.</summary>
    public static SimulatedBooks Begin(ClusterSimulation simulation, int minWorkers, bool isLocal) => new(simulation, new()
    {
        Version = MessageCodec.Version,
        JobName = "job",
        Host = "coordinator",
        Port = 1,
        LinkPort = 2,
        MetricsPort = 3,
        Token = [1],
        IsOpen = !isLocal,
        MinWorkers = minWorkers,
    }, isResumed: false);

    /// <summary>The books that a former coordinator has left.</summary>
    public static SimulatedBooks Resume(ClusterSimulation simulation) =>
        new(simulation, RunState.Load(simulation.Folder.Disk, SimulatedRunFolder.StateFile), isResumed: true);

    /// <summary>The product's recorder.</summary>
    public RunRecorder Recorder { get; }

    /// <summary>The disk that holds the books.</summary>
    public SimulatedDisk Disk { get; }

    /// <summary>Where the run continues.</summary>
    public ResumePoint Found { get; }

    /// <summary>The state that the coordinator begins with.</summary>
    public RunState Begun => _begun;

    /// <summary>Rounds that no crash can lose any more.</summary>
    public long Safe => _schedule.Safe;

    /// <summary>The newest checkpoint.</summary>
    public StoredState? Newest => _store.NewestState;

    /// <summary>The metric of the best checkpoint.</summary>
    public double Best => _store.Best?.TestMetric ?? double.NaN;

    /// <summary>Called when the newest checkpoint is another one.</summary>
    public Action OnStored { get; set; } = () => { };

    /// <summary>Called when rounds are durable.</summary>
    public Action<long> OnSafe { get; set; } = _ => { };

    /// <summary>The protocol that continues from these books.</summary>
    public ClusterProtocol ToCluster(ClusterSimulation simulation, int startWith, bool isOpen) =>
        _begun.ToCluster(simulation.Job.ToShape(), simulation.Topology, startWith, isOpen, Recorder.Entered, Newest);

    /// <summary>What can happen next.</summary>
    public IEnumerable<Action> Actions()
    {
        if (_work.Count > 0) yield return () => _notices.Enqueue(_work.Dequeue()());
        if (_notices.Count > 0) yield return () => _notices.Dequeue()();
        if (_result is not null) yield return WriteResult;
    }

    /// <summary>Time passes: records go to the operating system, and failed writes are tried again.</summary>
    public void Refresh(TimeSpan elapsed)
    {
        _time.Advance(elapsed);
        Recorder.Refresh();
        if (!_folder.IsFaulty && IsOfFolder) _folder.Written(Recorder.Entered);
        _restart.Retry();
    }

    /// <summary>Saves the run state before any worker hears of a generation.</summary>
    public void Keep(ClusterProtocol cluster) => _restart.Keep(cluster);

    /// <summary>A plan begins.</summary>
    public void Begin(Plan plan)
    {
        Recorder.Happened(RunEventKind.Generation, $"generation {plan.Generation}");
        Recorder.Started(plan);
        _loading = null;
        _pending.Begin(plan);
    }

    /// <summary>A state has arrived.</summary>
    public void Arrived(long applied, long state, Rounds rounds)
    {
        if (_pending.Add(applied, SimulatedState.ToBytes(applied, state), rounds) is not null) _census.Count("checkpoint left out");
        StoreNext();
    }

    /// <summary>Stores the state that has arrived, once its round is reported and the one before it is stored.</summary>
    public void StoreNext()
    {
        if (_isStoring || !_restart.IsSaved || _pending.Next(Recorder.FactsAfter) is not var (facts, state)) return;
        _isStoring = true;
        Assert.Equal(new StateDigest(0, (ulong)SimulatedState.Of(state)), facts.Digest);
        _work.Enqueue(() =>
        {
            var manifest = Try(() => _store.Save(facts, state, _journal.FlushToDisk), "checkpoint");
            if (manifest is not null && IsOfFolder) _folder.Stored(manifest.Round);
            return () =>
            {
                _isStoring = false;
                if (manifest is not null) OnStored();
                StoreNext();
            };
        });
    }

    /// <summary>Makes the records durable, if that is due.</summary>
    public void MakeSafe(long interval)
    {
        if (_schedule.Due(Recorder.Entered, interval, _restart.IsSaved) is not { } rounds) return;
        _work.Enqueue(() =>
        {
            var entered = Recorder.Entered;
            if (Try(Flush, "flush") is null) return _schedule.Failed;
            if (IsOfFolder) _folder.Flushed(entered);
            return () =>
            {
                _schedule.Flushed(rounds);
                OnSafe(rounds);
            };
        });
    }

    /// <summary>Reads a checkpoint for a worker, once for all workers of a generation.</summary>
    public void Load(int generation, StoredState state, Random random, Action<long, byte[]> loaded, Action<string> damaged)
    {
        if ((_loading?.Generation, _loading?.State) != (generation, state))
        {
            var loading = _loading = new(generation, state);
            _work.Enqueue(() =>
            {
                if (_store.Newest is { } newest && random.Next(4) == 0) _folder.DamageCheckpoint(newest);
                Disk.IsUnreadable = random.Next(8) == 0;
                try
                {
                    loading.Loaded = (state.Applied, _store.Load(state));
                    return () => loading.Receivers.ForEach(receive => receive(loading.Loaded.Value.Applied, loading.Loaded.Value.State));
                }
                catch (CheckpointException error)
                {
                    _census.Count("checkpoint unreadable");
                    if (IsOfFolder) _folder.Forgotten(Newest?.Applied ?? 0);
                    return () => damaged(error.Message);
                }
                finally
                {
                    Disk.IsUnreadable = false;
                }
            });
        }
        if (_loading!.Loaded is var (applied, bytes)) _notices.Enqueue(() => loaded(applied, bytes));
        else _loading.Receivers.Add(loaded);
    }

    /// <summary>Writes the result, again and again until it is written.</summary>
    public void Finish(long state, Action written) => _result = (SimulatedState.ToBytes(0, state), written);

    private void WriteResult()
    {
        var written = Try<object>(() =>
        {
            AtomicFile.Write(Disk, SimulatedRunFolder.ModelFile, file => file.Write(_result!.Value.State));
            _journal.FlushToDisk();
            AtomicFile.Write(Disk, SimulatedRunFolder.ReportFile, file => file.WriteByte(1));
            return _folder;
        }, "result");
        if (written is null) return;
        _notices.Enqueue(_result!.Value.Written);
        _result = null;
    }

    private string? Save(ClusterProtocol cluster)
    {
        // A number that is used twice is harmless in an exact job alone, see docs/durability.md.
        if (!cluster.Job.IsExact && IsOfFolder) _folder.Mend();
        try
        {
            _begun.With(cluster).Save(Disk, SimulatedRunFolder.StateFile);
            if (IsOfFolder) _folder.Saved(cluster);
            return null;
        }
        catch (IOException error)
        {
            _census.Count("run state not written");
            return error.Message;
        }
    }

    private object Flush()
    {
        _journal.FlushToDisk();
        return _journal;
    }

    private bool IsOfFolder => _folder.Disk == Disk;

    private T? Try<T>(Func<T> work, string what) where T : class
    {
        try
        {
            return work();
        }
        catch (IOException)
        {
            if (IsOfFolder) _folder.FlushFailed();
            _census.Count($"{what} while the disk is {(Disk.IsBroken ? "broken" : "full")}");
            return null;
        }
        catch (OperationCanceledException)
        {
            _census.Count($"{what} cut short");
            throw;
        }
    }

    private sealed class NoView : IProgressView
    {
        public static NoView Instance { get; } = new();

        public void Update(TrainingProgress p)
        {
        }

        public void Message(string line)
        {
        }

        public void Dispose()
        {
        }
    }
}
