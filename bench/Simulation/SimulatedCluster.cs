using System.Diagnostics;
using System.Globalization;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Prometheus;

namespace Distributed.Bench.Simulation;

/// <summary>
/// A coordinator's decisions and records with workers that answer at once: the code that its actor runs for each message, without actors,
/// links or clocks.
/// </summary>
internal sealed class SimulatedCluster : IDisposable
{
    private static readonly StateDigest _digest = new(1, 1);
    private static readonly VectorLayout _layout = new(421_642, 3);

    private readonly string[] _workers;
    private readonly RunFolder _folder;
    private readonly RunRecorder _recorder;
    private readonly Rounds _rounds;
    private readonly RunLedger _ledger;
    private readonly Queue<ClusterEvent> _events = new();
    private ClusterProtocol _cluster;
    private long _round;
    private long _shownAt;

    /// <summary>A cluster in training.</summary>
    /// <param name="folder">The folder of the history.</param>
    /// <param name="workers">At least 2.</param>
    public SimulatedCluster(string folder, int workers, int steps)
    {
        _workers = [.. Enumerable.Range(0, workers).Select(i => string.Create(CultureInfo.InvariantCulture, $"worker-{i:0000}"))];
        _rounds = new(TrainSamples: steps * workers, TestSamples: 0, Epochs: 1, Batch: workers, MicroBatches: Math.Min(workers, 4096));
        _ledger = new(_rounds, isExact: true);
        _folder = RunFolder.Create(folder, "simulation", overwrite: false);
        var job = Job.Default with { Epochs = 1, Batch = _rounds.Batch, MicroBatches = _rounds.MicroBatches };
        var journal = new RunJournal(LocalDisk.Instance, _folder.Path, job.Kind.Metric);
        _recorder = new(journal, job, new NoView(), new TrainingMetrics(Metrics.NewCustomRegistry()), TimeProvider.System);
        _cluster = new()
        {
            Job = new(1, _rounds.Batch, _rounds.MicroBatches),
            Topology = Topology.Mesh,
            StartWith = workers,
            MinWorkers = 1,
        };
        foreach (var worker in _workers) Join(worker);
    }

    /// <summary>Every worker reports the next step, to the protocol and the ledger.</summary>
    public void Step()
    {
        var report = Report();
        foreach (var worker in _workers)
        {
            Require(_ledger.Enter(worker, report, out _));
            Decide(new ClusterEvent.Reached(worker, report.Round + 1));
        }
        _round++;
    }

    /// <summary>Every worker reports the next step, also to history, metrics and progress, as in the coordinator's actor.</summary>
    public void RecordedStep()
    {
        var report = Report();
        foreach (var worker in _workers)
        {
            Require(_recorder.Applied(worker, [report]));
            Decide(new ClusterEvent.Reached(worker, report.Round + 1));
            if (Stopwatch.GetElapsedTime(_shownAt) >= RunRecorder.Interval) Show();
        }
        _round++;
    }

    /// <summary>The last worker is lost and joins again: two reconfigurations.</summary>
    public void RemoveAndRejoin()
    {
        Decide(new ClusterEvent.Lost(_workers[^1], "it was lost"));
        Join(_workers[^1]);
    }

    public void Dispose()
    {
        _recorder.Dispose();
        _folder.Dispose();
    }

    private void Join(string worker)
    {
        Decide(new ClusterEvent.Registered(worker));
        Decide(new ClusterEvent.Prepared(worker, new(
            "data", _rounds.TrainSamples, _rounds.TestSamples, _layout, 4 * _layout.Floats, "initial", "localhost", 1)));
    }

    private RoundReport Report() => new(_round, _digest, [_rounds.At(_round).Samples, 1, 1], 0.01, 1, 1, new(0.05, 0.001, 0.001, 0.001));

    private void Show()
    {
        _shownAt = Stopwatch.GetTimestamp();
        _recorder.Workers(_cluster.Members.Values.Select(member => (member.Id, "cpu", member.Status)));
        _recorder.Refresh();
    }

    private void Decide(ClusterEvent happened)
    {
        _events.Enqueue(happened);
        while (_events.TryDequeue(out var next))
        {
            (_cluster, var effects) = _cluster.Handle(next);
            foreach (var effect in effects) Execute(effect);
        }
    }

    /// <summary>Links and workers are always ready, and a lost worker keeps its state.</summary>
    private void Execute(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Open open:
                _recorder.Open(open.Rounds);
                break;
            case ClusterEffect.Halt halt:
                _events.Enqueue(new ClusterEvent.Halted(halt.Worker, halt.Generation, _round));
                break;
            case ClusterEffect.Begin begin:
                _recorder.Started(begin.Plan);
                _ledger.Begin(begin.Plan);
                break;
            case ClusterEffect.Fail fail:
                throw new InvalidOperationException(fail.Reason);
        }
    }

    private static void Require(string? error)
    {
        if (error is not null) throw new InvalidOperationException(error);
    }

    private sealed class NoView : IProgressView
    {
        public void Update(TrainingProgress p) { }

        public void Message(string line) { }

        public void Dispose() { }
    }
}
