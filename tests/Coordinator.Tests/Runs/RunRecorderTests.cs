using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Prometheus;
using static Distributed.Coordinator.Tests.Runs.RecorderBench;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunRecorderTests : IDisposable
{
    private static readonly Gen<RoundReport> _anyReport =
        from round in Gen.OneOf(Gen.Long, Gen.Long[-1, 6])
        from digest in Gen.OneOfConst(new StateDigest(0, 1), new StateDigest(1, 0))
        from tallies in Gen.OneOf(Gen.Double, Gen.OneOfConst(4.0, 3, 5)).Array[0, 4]
        from numbers in Gen.OneOf(
            Gen.Double, Gen.Double[0, 10], Gen.OneOfConst(0, double.NaN, double.PositiveInfinity, double.MaxValue)).Array[6]
        from microBatches in Gen.Int
        select new RoundReport(
            round, digest, tallies, numbers[0], numbers[1], microBatches, new(numbers[2], numbers[3], numbers[4], numbers[5]));

    private readonly RecorderBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void The_history_has_one_row_per_step_whichever_worker_reports_it_first()
    {
        _bench.Begin("a", "b");
        for (var number = 0; number < JobRounds.Count; number++)
            foreach (var worker in (string[])["a", "b"]) Assert.Null(_bench.Recorder.Applied(worker, [Report(number)]));
        Assert.Equal([(1, 1), (2, 1), (3, 2), (4, 2)], _bench.Recorded.Steps.Select(r => ((int)r.Step, r.Epoch)));
        Assert.Equal([2.0, 2, 2, 2], _bench.Recorded.Steps.Select(r => r.Loss));
        Assert.Equal([0.01, 0.02, 0.04, 0.05], _bench.Recorded.Steps.Select(r => r.LearningRate));
        Assert.Equal([1.0, 2, 4, 5], _bench.Recorded.Steps.Select(r => r.GradientNorm));
        Assert.Equal([4.0, 3, 4, 3], _bench.Recorded.Steps.Select(r => r.SamplesPerSecond), (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(
        [
            new() { Epoch = 1, Step = 2, TestLoss = 2, TestMetric = new(Metric.Accuracy, 0.6) },
            new() { Epoch = 2, Step = 4, TestLoss = 2, TestMetric = new(Metric.Accuracy, 0.6) },
        ], _bench.Recorded.Evaluations);
    }

    [Fact]
    public void The_history_is_written_to_its_file_at_every_refresh()
    {
        _bench.Begin("a");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0), Report(1)]));
        _bench.Recorder.Refresh();
        Assert.Equal(1 + 2, HistoryLines());
        Assert.Null(_bench.Recorder.Applied("a", [Report(2), Report(3)]));
        _bench.Recorder.Dispose();
        Assert.Equal(1 + 3, HistoryLines());
    }

    [Fact]
    public void A_failing_observer_is_not_called_again_and_does_not_end_the_run()
    {
        var failing = new FailingObserver();
        using var run = RunFolder.Create(_bench.Folder["watched"], "job", overwrite: false);
        using var recorder = _bench.Record(run, Job.Default, failing);
        recorder.Happened(RunEventKind.Note, "first");
        recorder.Happened(RunEventKind.Note, "second");
        Assert.Equal(1, failing.Told);
        Assert.Equal(["first", "FailingObserver has failed and is told nothing more: no space left", "second"], _bench.View.Messages);
    }

    private sealed class FailingObserver : IRunObserver
    {
        public int Told { get; private set; }

        public void Happened(RunEvent happened)
        {
            Told++;
            throw new IOException("no space left");
        }
    }

    [Fact]
    public void A_differing_replica_is_detected_until_all_workers_of_the_plan_have_reported()
    {
        _bench.Begin("a", "b");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0), Report(1)]));
        var fault = _bench.Recorder.Applied("b", [Report(0), Report(1) with { Digest = default }]);
        Assert.StartsWith("b, epoch 1, step 1: its parameters", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("f32", "relaxed")]
    [InlineData("bf16", "strict")]
    public void A_repeated_round_with_another_result_keeps_the_row_of_the_first_one(string wire, string determinism)
    {
        using var folder = RunFolder.Create(_bench.Folder["inexact"], "job", overwrite: false);
        var recorded = new RecordedRun();
        using var recorder = _bench.Record(folder, TwoEpochs with { Wire = wire, Determinism = determinism }, recorded);
        recorder.Open(JobRounds);
        recorder.Started(new(1, 0, JobRounds.Count, ["a", "lost"], Topology.Mesh));
        Assert.Null(recorder.Applied("a", [Report(0)]));
        Assert.Null(recorder.Applied("lost", [Report(0), Report(1)]));
        recorder.WorkerGone("lost");
        recorder.Started(new(2, 1, JobRounds.Count, ["a"], Topology.Mesh));

        for (var number = 1; number < JobRounds.Count; number++)
            Assert.Null(recorder.Applied("a", [Report(number, loss: 3) with { Digest = new(8, (ulong)number) }]));

        Assert.Equal([(1, 2.0), (2, 2), (3, 3), (4, 3)], recorded.Steps.Select(r => ((int)r.Step, r.Loss)));
        Assert.Equal([(1, 3.0), (2, 3)], recorded.Evaluations.Select(e => (e.Epoch, e.TestLoss)));
    }

    [Fact]
    public void The_report_counts_time_from_the_first_plan()
    {
        _bench.Time.Advance(TimeSpan.FromMinutes(5));
        _bench.Begin("a");
        _bench.Time.Advance(TimeSpan.FromSeconds(4));
        _bench.Recorder.Started(new(2, 0, JobRounds.Count, ["a"], Topology.Star));
        for (var number = 0; number < JobRounds.Count; number++)
            Assert.Null(_bench.Recorder.Applied("a", [Report(number, loss: number < 3 ? 2 : number)]));
        _bench.Time.Advance(TimeSpan.FromSeconds(4));
        GenerationStart[] generations = [new(1, GenerationCause.Start, "start"), new(2, GenerationCause.Joined, "b joined")];
        var report = _bench.Recorder.Report("digits", "abc", workers: 3, generations, stepsRedone: 5);
        Assert.Equal(("digits", "abc", 3, 2), (report.Job, report.ParametersSha256, report.Workers, report.Generations));
        Assert.Equal((4, 2, 8.0, 0.5), (report.Steps, report.Epochs, report.Seconds, report.StepsPerSecond));
        Assert.Equal((14, 14), (report.SamplesExpected, report.SamplesApplied));
        Assert.Equal(report.StartedAt.AddSeconds(8), report.FinishedAt);
        // The last epoch has 4 samples of loss 3 and 3 of loss 4.
        Assert.Equal((4 * 3 + 3 * 4) / 7.0, report.TrainLoss, 1e-12);
        Assert.Equal((5.0, 0.6), (report.TestLoss, report.TestMetric));
    }

    [Fact]
    public void The_report_of_a_job_without_a_test_set_has_no_test_results()
    {
        var rounds = JobRounds with { TestSamples = 0 };
        _bench.Recorder.Open(rounds);
        _bench.Recorder.Started(new(1, 0, rounds.Count, ["a"], Topology.Star));
        _bench.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_bench.Recorder.Applied("a", [Report(0)]));
        var report = _bench.Recorder.Report("job", "abc", 1, [new(1, GenerationCause.Start, "start")], 0);
        Assert.Null(report.TestLoss);
        Assert.Null(report.TestMetric);
    }

    [Fact]
    public void A_report_is_entered_or_its_fault_names_the_worker() =>
        Gen.Select(_anyReport.Array[1, 8], Gen.OneOfConst("a", "b").Array[8]).Sample((reports, workers) =>
        {
            using var folder = new TemporaryFolder();
            using var run = RunFolder.Create(folder["run"], "job", overwrite: false);
            using var recorder = new RunRecorder(
                JournalOf(run), Job.Default, new ScriptedView(), new(Metrics.NewCustomRegistry()), _bench.Time);
            recorder.Open(JobRounds);
            for (var i = 0; i < reports.Length; i++)
                if (recorder.Applied(workers[i], [reports[i]]) is { } fault)
                    Assert.StartsWith(workers[i], fault, StringComparison.Ordinal);
        }, iter: 300);

    [Fact]
    public void An_observer_of_a_resumed_run_first_receives_the_recorded_past()
    {
        using var folder = RunFolder.Create(_bench.Folder["observed"], "job", overwrite: false);
        var job = TwoEpochs;
        var first = new Observer();
        using (var recorder = _bench.Record(folder, job, first))
        {
            recorder.Happened(RunEventKind.Joined, "a has joined", "a");
            recorder.Open(JobRounds);
            recorder.Open(JobRounds);
            recorder.Started(new(1, 0, JobRounds.Count, ["a", "b"], Topology.Star));
            foreach (var worker in (string[])["a", "b"])
                for (var number = 0; number < 3; number++) Assert.Null(recorder.Applied(worker, [Report(number)]));
            recorder.Happened(RunEventKind.Lost, "a is lost", "a");
        }
        Assert.Equal(["Joined at 0", "opened", "step 1", "step 2", "epoch 1", "Lost at 2"], first.Heard);
        Assert.True(first.Shown > 0);

        var second = new Observer();
        using var resumed = new RunRecorder(JournalOf(folder), job, _bench.View, new(Metrics.NewCustomRegistry()), _bench.Time, JobRounds,
            ResumePoint.Of(JobRounds, new(2), new(1), []), observers: [second]);
        Assert.Null(resumed.Applied("b", [Report(3)]));
        resumed.Happened(RunEventKind.Finished, "done");
        string[] heard =
            ["step 1 before", "step 2 before", "epoch 1 before", "Joined before", "Lost before", "opened", "step 3", "Finished at 3"];
        Assert.Equal(heard, second.Heard);
        resumed.Dispose();
        Assert.Equal(["Joined", "Lost", "Finished"], EventsOf(folder.EventsFile).Select(happened => $"{happened.Kind}"));
    }

    [Fact]
    public void A_report_before_the_worker_was_prepared_is_a_fault() =>
        Assert.Equal("a reports rounds before it was prepared", _bench.Recorder.Applied("a", [Report(0)]));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void In_an_inexact_job_a_state_of_repeated_rounds_is_stored_only_after_their_new_report(bool isRelaxed)
    {
        using var run = RunFolder.Create(_bench.Folder["again"], "job", overwrite: false);
        var job = TwoEpochs with { Determinism = isRelaxed ? "relaxed" : "strict", Checkpoint = new() { EverySteps = 1 } };
        using var recorder = _bench.Record(run, job);
        recorder.Open(JobRounds);
        recorder.Started(new(1, 0, JobRounds.Count, ["a"], Topology.Mesh));
        Assert.Null(recorder.Applied("a", [Report(0)]));
        Assert.Equal(new StateDigest(7, 0), recorder.FactsAfter(1)?.Digest);
        recorder.Started(new(2, 0, JobRounds.Count, ["b"], Topology.Mesh));
        Assert.Equal(isRelaxed ? null : new StateDigest(7, 0), recorder.FactsAfter(1)?.Digest);
        var again = isRelaxed ? new StateDigest(8, 8) : new StateDigest(7, 0);
        Assert.Null(recorder.Applied("b", [Report(0) with { Digest = again }]));
        Assert.Equal(again, recorder.FactsAfter(1)?.Digest);
    }

    private sealed class Observer : IRunObserver
    {
        public List<string> Heard { get; } = [];

        public int Shown { get; private set; }

        public void Recalled(HistoryRow step) => Heard.Add($"step {step.Step} before");

        public void Recalled(EpochResult evaluation) => Heard.Add($"epoch {evaluation.Epoch} before");

        public void Recalled(RunEvent happened) => Heard.Add($"{happened.Kind} before");

        public void Opened(Rounds rounds) => Heard.Add("opened");

        public void Stepped(HistoryRow step) => Heard.Add($"step {step.Step}");

        public void Evaluated(EpochResult evaluation) => Heard.Add($"epoch {evaluation.Epoch}");

        public void Happened(RunEvent happened) => Heard.Add($"{happened.Kind} at {happened.Step}");

        public void Progressed(TrainingProgress progress) => Shown++;
    }

    private int HistoryLines()
    {
        using var stream = new FileStream(_bench.Run.HistoryFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
    }
}
