using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Prometheus;

namespace Distributed.Coordinator.Tests.Runs;

/// <summary>A recorder of a job of two epochs with two steps, of 4 samples and of 3, and an evaluation each.</summary>
internal sealed class RecorderBench : IDisposable
{
    public static readonly Rounds JobRounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 2, Batch: 4, MicroBatches: 2);

    public static readonly Job TwoEpochs = Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2 };

    public RecorderBench()
    {
        Run = RunFolder.Create(Folder["run"], "job", overwrite: false);
        Recorder = Record(Run, TwoEpochs, Registry, Recorded);
    }

    public TemporaryFolder Folder { get; } = new();

    public RunFolder Run { get; }

    public ScriptedView View { get; } = new();

    public ManualTime Time { get; } = new();

    public CollectorRegistry Registry { get; } = Metrics.NewCustomRegistry();

    public RecordedRun Recorded { get; } = new();

    public RunRecorder Recorder { get; }

    public RunRecorder Record(RunFolder run, Job job, CollectorRegistry registry, params IRunObserver[] observers) =>
        new(JournalOf(run), job, View, new(registry), Time, observers: observers);

    public RunRecorder Record(RunFolder run, Job job, params IRunObserver[] observers) =>
        Record(run, job, Metrics.NewCustomRegistry(), observers);

    public void Begin(params string[] workers)
    {
        Recorder.Open(JobRounds);
        Recorder.Workers([.. workers.Select(w => (w, "cpu", MemberStatus.Active))]);
        Recorder.Started(new(1, 0, JobRounds.Count, [.. workers], Topology.Star));
    }

    /// <summary>A round of one second in which 0.6 of the samples were right.</summary>
    public static RoundReport Report(long number, double loss = 2)
    {
        var samples = JobRounds.At(number).Samples;
        return new(number, new(7, (ulong)number), [samples, loss * samples, 0.6 * samples], 0.01 * (number + 1), number + 1, 1,
            new(0.25, 0.25, 0.25, 0.25));
    }

    public static RunJournal JournalOf(RunFolder folder) => new(LocalDisk.Instance, folder.Path, Metric.Accuracy);

    public static List<RunEvent> EventsOf(string path)
    {
        List<RunEvent> events = [];
        RunEvent.ReadAll(LocalDisk.Instance, path, events.Add);
        return events;
    }

    public void Dispose()
    {
        Recorder.Dispose();
        Run.Dispose();
        Folder.Dispose();
    }
}
