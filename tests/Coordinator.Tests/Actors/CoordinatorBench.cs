using System.Net;
using Akka.Actor;
using Akka.TestKit;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Coordinator.Tests.Links;
using Distributed.Coordinator.Tests.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Shared.Tests;
using Prometheus;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>A coordinator's actor with real links and a real journal, whose workers a test directs.</summary>
internal sealed class CoordinatorBench : IDisposable
{
    /// <summary>Two training steps of two micro-batches, then an evaluation.</summary>
    public static readonly Rounds Rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 1, Batch: 4, MicroBatches: 2);

    public static readonly VectorLayout Layout = new(10, 3);

    /// <summary>The report of a prepared worker that agrees with the others.</summary>
    public static readonly Prepared Facts = new(
        "data", Rounds.TrainSamples, Rounds.TestSamples, Layout.Floats, Layout.Tallies, 8, "initial", "127.0.0.1", 4711, 0, 0);

    private readonly TestKitBase _kit;
    private readonly TemporaryFolder _folder = new();
    private readonly RunFolder _runFolder;
    private readonly RunJournal _journal;
    private readonly RecordedRun _recorded = new();
    private readonly List<BenchWorker> _workers = [];

    public CoordinatorBench(
        TestKitBase kit, int startWith = 1, int minWorkers = 1, ScriptedLocalWorkers? local = null, int maxRestarts = 0,
        InitialParameters? initial = null, DataSender? data = null,
        Func<RunResult, IRunOutcome>? outcome = null, Func<ClusterProtocol, string?>? save = null)
    {
        _kit = kit;
        _runFolder = RunFolder.Create(_folder["run"], "job", overwrite: false);
        var job = Job.Default with
        {
            Epochs = Rounds.Epochs,
            Batch = Rounds.Batch,
            MicroBatches = Rounds.MicroBatches,
            Checkpoint = new() { EverySteps = 1 },
        };
        var metrics = new TrainingMetrics(Registry);
        _journal = new(LocalDisk.Instance, _runFolder.Path, job.Kind.Metric);
        Recorder = new(_journal, job, View, metrics, TimeProvider.System, observers: [_recorded]);
        Star = new(
            new(IPAddress.Loopback, 0), StarBench.Job, new(IsBfloat16: false),
            (worker, reason) => Actor!.Tell(new CoordinatorNotice.LinkClosed(worker, reason)), metrics.Links, new LogLines());
        Checkpoints = new(_runFolder.Checkpoints, keep: 2, "task: classification\n", TimeProvider.System);
        var cluster = new ClusterProtocol
        {
            Job = new(job.Epochs, job.Batch, job.MicroBatches),
            Topology = Topology.Star,
            StartWith = startWith,
            MinWorkers = minWorkers,
            IsOpen = maxRestarts > 0,
        };
        var context = new CoordinatorContext(
            "the job", "127.0.0.1", Star, Recorder, Checkpoints, metrics, Targets, _result, local, maxRestarts,
            Initial: initial, Describe: Describe, Data: data, Outcome: outcome, Save: save);
        Actor = kit.Sys.ActorOf(Props.Create(() => new CoordinatorActor(cluster, context)));
    }

    private readonly TaskCompletionSource<RunResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IActorRef Actor { get; }

    public CollectorRegistry Registry { get; } = Metrics.NewCustomRegistry();

    public ScrapeTargets Targets { get; } = new();

    public CoordinatorLinks Star { get; }

    public RunRecorder Recorder { get; }

    /// <summary>The events that the run recorded.</summary>
    public IReadOnlyCollection<RunEvent> Events => _recorded.Events;

    public CheckpointStore Checkpoints { get; }

    public ScriptedView View { get; } = new();

    /// <summary>The descriptions of the data that the coordinator recorded.</summary>
    public List<DataDescription> Described { get; } = [];

    public Task<RunResult> Result => _result.Task.Soon();

    public bool HasResult => _result.Task.IsCompleted;

    /// <summary>A peer that has sent no message.</summary>
    public TestProbe Stranger() => _kit.CreateTestProbe();

    /// <summary>A worker that the coordinator has welcomed.</summary>
    public async Task<BenchWorker> RegisterAsync(string name, Holding holding = default)
    {
        var worker = new BenchWorker(this, _kit.CreateTestProbe(), name, holding);
        _workers.Add(worker);
        await worker.RegisterAsync();
        return worker;
    }

    /// <summary>A worker that is welcomed, linked and prepared.</summary>
    public async Task<BenchWorker> JoinAsync(string name)
    {
        var worker = await RegisterAsync(name);
        await worker.LinkAsync();
        worker.Say(Facts);
        return worker;
    }

    /// <summary>Workers in training under the first generation.</summary>
    public async Task<BenchWorker[]> TrainAsync(params string[] names)
    {
        var workers = new List<BenchWorker>();
        foreach (var name in names) workers.Add(await JoinAsync(name));
        foreach (var worker in workers) await worker.HaltAsync(1, applied: 0);
        foreach (var worker in workers) Assert.Equal(names, (await worker.HearAsync<BeginPlan>()).Workers);
        return [.. workers];
    }

    /// <summary>Asks the coordinator to drain a worker.</summary>
    public Task<DrainOutcome> DrainAsync(string worker)
    {
        TaskCompletionSource<DrainOutcome> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Actor.Tell(new CoordinatorNotice.Drain(worker, outcome));
        return outcome.Task.Soon();
    }

    /// <summary>Waits until the actor has handled all messages that were sent to it so far.</summary>
    public Task HandledAsync() => DrainAsync("nobody");

    private string? Describe(DataDescription data)
    {
        Described.Add(data);
        return "the disk is full";
    }

    public async Task<string> FailureAsync() => (await Assert.ThrowsAsync<RunFailedException>(() => Result)).Message;

    public void Dispose()
    {
        foreach (var worker in _workers) worker.Dispose();
        Star.Dispose();
        Recorder.Dispose();
        _runFolder.Dispose();
        _folder.Dispose();
    }
}
