using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Prometheus;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunRecorderTests : IDisposable
{
    /// <summary>Two epochs of two steps, 4 samples and then 3, and an evaluation.</summary>
    private static readonly Rounds _rounds = new(TrainSamples: 7, TestSamples: 5, Epochs: 2, Batch: 4, MicroBatches: 2);

    private static readonly Gen<RoundReport> _anyReport =
        from round in Gen.OneOf(Gen.Long, Gen.Long[-1, 6])
        from digest in Gen.OneOfConst(new StateDigest(0, 1), new StateDigest(1, 0))
        from tallies in Gen.OneOf(Gen.Double, Gen.OneOfConst(4.0, 3, 5)).Array[0, 4]
        from numbers in Gen.OneOf(Gen.Double, Gen.Double[0, 10], Gen.OneOfConst(0, double.NaN, double.PositiveInfinity, double.MaxValue)).Array[6]
        from microBatches in Gen.Int
        select new RoundReport(round, digest, tallies, numbers[0], numbers[1], microBatches, new(numbers[2], numbers[3], numbers[4], numbers[5]));

    private static readonly Gen<RunEvent[]> _events =
        Gen.Select(Gen.Enum<RunEventKind>(), Gen.String, Gen.OneOf(Gen.Const((string?)null), Gen.String!), Gen.Long, Gen.DateTimeOffset,
            (kind, text, worker, step, at) => new RunEvent { At = at, Step = step, Kind = kind, Worker = worker, Text = text }).Array[0, 4];

    private readonly TemporaryFolder _folder = new();
    private readonly RunFolder _run;
    private readonly ScriptedView _view = new();
    private readonly ManualTime _time = new();
    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly RecordedRun _recorded = new();
    private readonly RunRecorder _recorder;

    public RunRecorderTests()
    {
        _run = RunFolder.Create(_folder["run"], "job", overwrite: false);
        _recorder = new(JournalOf(_run), Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2 }, _view, new(_registry), _time, observers: [_recorded]);
    }

    public void Dispose()
    {
        _recorder.Dispose();
        _run.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void The_history_has_a_row_a_step_whoever_reports_it()
    {
        Begin("a", "b");
        for (var number = 0; number < _rounds.Count; number++)
            foreach (var worker in (string[])["a", "b"]) Assert.Null(_recorder.Applied(worker, [Report(number)]));
        Assert.Equal([(1, 1), (2, 1), (3, 2), (4, 2)], _recorded.Steps.Select(r => ((int)r.Step, r.Epoch)));
        Assert.Equal([2.0, 2, 2, 2], _recorded.Steps.Select(r => r.Loss));
        Assert.Equal([0.01, 0.02, 0.04, 0.05], _recorded.Steps.Select(r => r.LearningRate));
        Assert.Equal([1.0, 2, 4, 5], _recorded.Steps.Select(r => r.GradientNorm));
        Assert.Equal([4.0, 3, 4, 3], _recorded.Steps.Select(r => r.SamplesPerSecond), (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal([new() { Epoch = 1, Step = 2, TestLoss = 2, TestMetric = new(Metric.Accuracy, 0.6) }, new() { Epoch = 2, Step = 4, TestLoss = 2, TestMetric = new(Metric.Accuracy, 0.6) }], _recorded.Evaluations);
    }

    [Fact]
    public void The_history_is_in_its_file_as_soon_as_it_is_shown()
    {
        Begin("a");
        Assert.Null(_recorder.Applied("a", [Report(0), Report(1)]));
        _recorder.Refresh();
        Assert.Equal(1 + 2, HistoryLines());
        Assert.Null(_recorder.Applied("a", [Report(2), Report(3)]));
        _recorder.Dispose();
        Assert.Equal(1 + 3, HistoryLines());
    }

    [Fact]
    public void An_observer_that_fails_ends_no_run_and_is_told_nothing_more()
    {
        var failing = new FailingObserver();
        using var run = RunFolder.Create(_folder["watched"], "job", overwrite: false);
        using var recorder = new RunRecorder(JournalOf(run), Job.Default, _view, new(Metrics.NewCustomRegistry()), _time, observers: [failing]);
        recorder.Happened(RunEventKind.Note, "first");
        recorder.Happened(RunEventKind.Note, "second");
        Assert.Equal(1, failing.Told);
        Assert.Equal(["first", "FailingObserver has failed and is told nothing more: no space left", "second"], _view.Messages);
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
    public void An_event_forges_no_line()
    {
        _recorder.Happened(RunEventKind.Fault, "worker-1: \u001b[2J\r\nFORGED: Test accuracy 100.00 %", "worker-1");
        _recorder.Refresh();
        Assert.Equal("worker-1: ?[2J  FORGED: Test accuracy 100.00 %", _view.Messages.Last());
        Assert.Equal(_view.Messages.Last(), EventsOf(_run.EventsFile)[^1].Text);
    }

    [Fact]
    public void However_much_is_reported_it_is_shown_once_a_refresh_and_nothing_is_shown_twice()
    {
        Begin("a", "b");
        var before = _view.Updates.Count;
        foreach (var worker in (string[])["a", "b"]) Assert.Null(_recorder.Applied(worker, [Report(0), Report(1)]));
        _recorder.Workers([("a", "cpu", MemberStatus.Halted)]);
        Assert.Equal(before, _view.Updates.Count);
        _recorder.Refresh();
        _recorder.Refresh();
        Assert.Equal(before + 1, _view.Updates.Count);
        Assert.Equal((2, "stopped"), (_view.Last.Step, _view.Last.Workers[0].Doing));
    }

    [Fact]
    public void A_new_phase_a_plan_and_a_loss_are_shown_at_once_and_the_end_too()
    {
        Begin("a", "b");
        Assert.Null(_recorder.Applied("a", [Report(0)]));
        _recorder.Phase("saving");
        Assert.Equal(("saving", 1), (_view.Last.Phase, _view.Last.Step));
        _recorder.Started(new(2, 1, _rounds.Count, ["a", "b"], Topology.Star));
        Assert.Equal("training", _view.Last.Phase);
        _recorder.WorkerGone("b");
        Assert.Equal(["a"], _view.Last.Workers.Select(w => w.Name));
        Assert.Null(_recorder.Applied("a", [Report(1)]));
        _recorder.Dispose();
        Assert.Equal(2, _view.Last.Step);
    }

    [Fact]
    public void Replicas_that_differ_are_found_as_long_as_a_worker_of_the_plan_has_not_reported()
    {
        Begin("a", "b");
        Assert.Null(_recorder.Applied("a", [Report(0), Report(1)]));
        Assert.StartsWith("b, epoch 1, step 1: its parameters", _recorder.Applied("b", [Report(0), Report(1) with { Digest = default }]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("f32", "relaxed")]
    [InlineData("bf16", "strict")]
    public void A_round_that_comes_out_otherwise_the_second_time_has_one_row_that_of_the_first(string wire, string determinism)
    {
        using var folder = RunFolder.Create(_folder["inexact"], "job", overwrite: false);
        var recorded = new RecordedRun();
        using var recorder = new RunRecorder(JournalOf(folder), Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2, Wire = wire, Determinism = determinism },
            _view, new(Metrics.NewCustomRegistry()), _time, observers: [recorded]);
        recorder.Open(_rounds);
        recorder.Started(new(1, 0, _rounds.Count, ["a", "lost"], Topology.Mesh));
        Assert.Null(recorder.Applied("a", [Report(0)]));
        Assert.Null(recorder.Applied("lost", [Report(0), Report(1)]));
        recorder.WorkerGone("lost");
        recorder.Started(new(2, 1, _rounds.Count, ["a"], Topology.Mesh));

        for (var number = 1; number < _rounds.Count; number++) Assert.Null(recorder.Applied("a", [Report(number, loss: 3) with { Digest = new(8, (ulong)number) }]));

        Assert.Equal([(1, 2.0), (2, 2), (3, 3), (4, 3)], recorded.Steps.Select(r => ((int)r.Step, r.Loss)));
        Assert.Equal([(1, 3.0), (2, 3)], recorded.Evaluations.Select(e => (e.Epoch, e.TestLoss)));
    }

    [Fact]
    public void The_report_has_the_numbers_of_the_run_and_its_clock_begins_with_the_first_plan()
    {
        _time.Advance(TimeSpan.FromMinutes(5));
        Begin("a");
        _time.Advance(TimeSpan.FromSeconds(4));
        _recorder.Started(new(2, 0, _rounds.Count, ["a"], Topology.Star));
        for (var number = 0; number < _rounds.Count; number++) Assert.Null(_recorder.Applied("a", [Report(number, loss: number < 3 ? 2 : number)]));
        _time.Advance(TimeSpan.FromSeconds(4));
        var report = _recorder.Report("digits", "abc", workers: 3, [new(1, GenerationCause.Start, "start"), new(2, GenerationCause.Joined, "b joined")], stepsRedone: 5);
        Assert.Equal(("digits", "abc", 3, 2), (report.Job, report.ParametersSha256, report.Workers, report.Generations));
        Assert.Equal((4, 2, 8.0, 0.5), (report.Steps, report.Epochs, report.Seconds, report.StepsPerSecond));
        Assert.Equal((14, 14), (report.SamplesExpected, report.SamplesApplied));
        Assert.Equal(report.StartedAt.AddSeconds(8), report.FinishedAt);
        // The last epoch has 4 samples of loss 3 and 3 of loss 4.
        Assert.Equal((4 * 3 + 3 * 4) / 7.0, report.TrainLoss, 1e-12);
        Assert.Equal((5.0, 0.6), (report.TestLoss, report.TestMetric));
    }

    [Fact]
    public void A_job_without_a_test_set_reports_no_test()
    {
        var rounds = _rounds with { TestSamples = 0 };
        _recorder.Open(rounds);
        _recorder.Started(new(1, 0, rounds.Count, ["a"], Topology.Star));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_recorder.Applied("a", [Report(0)]));
        var report = _recorder.Report("job", "abc", 1, [new(1, GenerationCause.Start, "start")], 0);
        Assert.Null(report.TestLoss);
        Assert.Null(report.TestMetric);
    }

    [Fact]
    public async Task Every_step_is_exported_once()
    {
        Begin("a", "b");
        foreach (var worker in (string[])["a", "b"]) Assert.Null(_recorder.Applied(worker, [Report(0), Report(1), Report(2)]));
        Assert.Equal(2, await _registry.ValueAsync(MetricNames.Steps));
        Assert.Equal(7, await _registry.ValueAsync(MetricNames.Samples));
        Assert.Equal(2, await _registry.ValueAsync(MetricNames.Step));
        Assert.Equal(2, await _registry.ValueAsync(MetricNames.TrainLoss));
        Assert.Equal(0.02, await _registry.ValueAsync(MetricNames.LearningRate));
        Assert.Equal(2, await _registry.ValueAsync(MetricNames.TestLoss));
        Assert.Equal(0.6, await _registry.ValueAsync($"{MetricNames.TestMetric}{{metric=\"accuracy\"}}"));
        Assert.Equal(1, await _registry.ValueAsync(MetricNames.Generation));
        Assert.Equal(2, await _registry.ValueAsync($"{MetricNames.Workers}{{state=\"active\"}}"));
        Assert.Equal(0, await _registry.ValueAsync($"{MetricNames.Workers}{{state=\"preparing\"}}"));
    }

    [Fact]
    public async Task What_each_worker_does_is_exported_until_it_is_gone()
    {
        Begin("a", "b");
        Assert.Null(_recorder.Applied("a", [Report(0) with { MicroBatches = 2, Times = new(1, 0, 0.5, 0) }]));
        Assert.Null(_recorder.Applied("b", [Report(0) with { MicroBatches = 1, Times = new(1, 0, 2, 0) }, Report(1) with { MicroBatches = 1, Times = new(1, 0, 0, 0) }]));
        Assert.Equal(1.5, await _registry.ValueAsync($"{MetricNames.Behind}{{worker=\"a\"}}"));
        Assert.Equal(0, await _registry.ValueAsync($"{MetricNames.Behind}{{worker=\"b\"}}"));
        Assert.Equal(2, await _registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"a\"}}"));
        _recorder.WorkerGone("a");
        Assert.Null(await _registry.ValueAsync($"{MetricNames.Behind}{{worker=\"a\"}}"));
        Assert.Null(await _registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"a\"}}"));
        Assert.Equal(1, await _registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"b\"}}"));
    }

    [Fact]
    public async Task Replicas_that_differ_are_counted()
    {
        Begin("a", "b");
        Assert.Null(_recorder.Applied("a", [Report(0)]));
        Assert.NotNull(_recorder.Applied("b", [Report(5)]));
        Assert.Equal(0, await _registry.ValueAsync(MetricNames.DigestMismatches));
        Assert.NotNull(_recorder.Applied("b", [Report(0) with { Digest = default }]));
        Assert.Equal(1, await _registry.ValueAsync(MetricNames.DigestMismatches));
    }

    [Fact]
    public void The_progress_shows_how_far_the_run_and_its_workers_are()
    {
        Assert.Empty(_view.Updates);
        _recorder.Happened(RunEventKind.Note, "hello");
        Assert.Equal(["hello"], _view.Messages);
        Begin("a", "b");
        var begun = _view.Last;
        Assert.Equal(("training", 0, 2, 0, 4), (begun.Phase, begun.Epoch, begun.Epochs, begun.Step, begun.Steps));
        Assert.Null(begun.Loss);
        Assert.Null(begun.TimeLeft);
        Assert.Null(begun.TestMetric);

        Assert.Null(_recorder.Applied("b", [Report(0) with { MicroBatches = 2, Times = new(0.1, 0.2, 0.3, 0.4) }, Report(1), Report(2)]));
        _recorder.Refresh();
        var shown = _view.Last;
        Assert.Equal((1, 2, 2.0, 0.6), (shown.Epoch, shown.Step, shown.Loss, shown.TestMetric?.Value));
        Assert.Equal(["a", "b"], shown.Workers.Select(w => w.Name));
        var (a, b) = (shown.Workers[0], shown.Workers[1]);
        Assert.Equal((0, 0), (a.ComputeShare, a.MicroBatches));
        Assert.Equal(1, b.MicroBatches);
        Assert.Equal(1, b.ComputeShare + b.SendShare + b.WaitShare + b.ApplyShare, 1e-12);

        _recorder.WorkerGone("b");
        _recorder.Phase("saving");
        Assert.Equal("saving", _view.Last.Phase);
        Assert.Equal(["a"], _view.Last.Workers.Select(w => w.Name));
    }

    [Fact]
    public void A_worker_is_shown_by_what_it_does()
    {
        _recorder.Workers([.. Enum.GetValues<MemberStatus>().Select(s => ($"{(int)s}", "cuda:0", s))]);
        _recorder.Refresh();
        Assert.Equal(["preparing", "ready", "stopped", "catching up", "training"], _view.Last.Workers.Select(w => w.Doing));
        Assert.All(_view.Last.Workers, w => Assert.Equal("cuda:0", w.Device));
    }

    [Fact]
    public async Task The_time_left_follows_from_the_samples_left()
    {
        Begin("a");
        // One second for four samples leaves ten.
        Assert.Null(_recorder.Applied("a", [Report(0)]));
        _recorder.Refresh();
        Assert.Equal(4, _view.Last.SamplesPerSecond, 1e-9);
        Assert.Equal(2.5, _view.Last.TimeLeft!.Value.TotalSeconds, 1e-6);
        for (var number = 1; number < _rounds.Count; number++) Assert.Null(_recorder.Applied("a", [Report(number)]));
        _recorder.Refresh();
        Assert.Equal(TimeSpan.Zero, _view.Last.TimeLeft);
        Assert.Equal(0, await _registry.ValueAsync(MetricNames.TimeLeft));
        Assert.Equal(_rounds.Steps, await _registry.ValueAsync(MetricNames.JobSteps));
    }

    [Fact]
    public void A_step_longer_than_time_can_tell_leaves_the_end_open()
    {
        Begin("a");
        Assert.Null(_recorder.Applied("a", [Report(0) with { Times = new(double.MaxValue, double.MaxValue, 0, 0) }]));
        _recorder.Refresh();
        Assert.Null(_view.Last.TimeLeft);
    }

    [Fact]
    public void Whatever_is_reported_it_is_entered_or_its_worker_named() => Gen.Select(_anyReport.Array[1, 8], Gen.OneOfConst("a", "b").Array[8]).Sample((reports, workers) =>
    {
        using var folder = new TemporaryFolder();
        using var run = RunFolder.Create(folder["run"], "job", overwrite: false);
        using var recorder = new RunRecorder(JournalOf(run), Job.Default, new ScriptedView(), new(Metrics.NewCustomRegistry()), _time);
        recorder.Open(_rounds);
        for (var i = 0; i < reports.Length; i++)
            if (recorder.Applied(workers[i], [reports[i]]) is { } wrong) Assert.StartsWith(workers[i], wrong, StringComparison.Ordinal);
    }, iter: 300);

    [Fact]
    public void Events_read_back_the_same_and_lines_that_are_none_are_passed_over() =>
        Gen.Select(_events, _events, Gen.OneOfConst("", "null", "{}", "\0\0\0", """{"at":"2026-02-03T04:05:06+00:00","step":1,"kind":3,"text":"by number"}""")).Sample((before, behind, damage) =>
        {
            var path = _folder["events.jsonl"];
            File.WriteAllLines(path, before.Select(happened => happened.ToLine()));
            Assert.Equal(before, EventsOf(path));
            File.AppendAllLines(path, [damage, .. behind.Select(happened => happened.ToLine())]);
            Assert.Equal([.. before, .. behind], EventsOf(path));
        }, iter: 100, threads: 1);

    [Fact]
    public void A_very_long_event_is_cut_and_can_be_read()
    {
        var path = _folder["events.jsonl"];
        File.WriteAllLines(path, [new RunEvent { At = default, Step = 1, Kind = RunEventKind.Note, Text = new('\u0001', 1_000_000) }.ToLine()]);
        Assert.Equal(RunEvent.MaxText, Assert.Single(EventsOf(path)).Text.Length);
    }

    [Fact]
    public void Events_are_followed_while_they_are_written_and_a_generation_names_its_workers()
    {
        List<string> seen = [];
        var read = 0L;
        foreach (var workers in (string[][])[["worker-1"], ["worker-1", "worker-2"], []])
        {
            _recorder.Happened(RunEventKind.Generation, "generation", workers: workers);
            _recorder.Refresh();
            read = RunEvent.ReadAll(LocalDisk.Instance, _run.EventsFile, happened => seen.Add(string.Join(' ', happened.Workers!)), read);
        }
        Assert.Equal(["worker-1", "worker-1 worker-2", ""], seen);
        File.WriteAllText(_run.EventsFile, "");
        Assert.Equal(0, RunEvent.ReadAll(LocalDisk.Instance, _run.EventsFile, _ => Assert.Fail("there is none"), read));
    }

    [Fact]
    public void An_observer_hears_of_everything_once_and_one_of_a_resumed_run_hears_first_what_was_before()
    {
        using var folder = RunFolder.Create(_folder["observed"], "job", overwrite: false);
        var job = Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2 };
        var first = new Observer();
        using (var recorder = new RunRecorder(JournalOf(folder), job, _view, new(Metrics.NewCustomRegistry()), _time, observers: [first]))
        {
            recorder.Happened(RunEventKind.Joined, "a has joined", "a");
            recorder.Open(_rounds);
            recorder.Open(_rounds);
            recorder.Started(new(1, 0, _rounds.Count, ["a", "b"], Topology.Star));
            foreach (var worker in (string[])["a", "b"])
                for (var number = 0; number < 3; number++) Assert.Null(recorder.Applied(worker, [Report(number)]));
            recorder.Happened(RunEventKind.Lost, "a is lost", "a");
        }
        Assert.Equal(["Joined at 0", "opened", "step 1", "step 2", "epoch 1", "Lost at 2"], first.Heard);
        Assert.True(first.Shown > 0);

        var second = new Observer();
        using var resumed = new RunRecorder(JournalOf(folder), job, _view, new(Metrics.NewCustomRegistry()), _time, _rounds, ResumePoint.Of(_rounds, new(2), new(1), []), observers: [second]);
        Assert.Null(resumed.Applied("b", [Report(3)]));
        resumed.Happened(RunEventKind.Finished, "done");
        Assert.Equal(["step 1 before", "step 2 before", "epoch 1 before", "Joined before", "Lost before", "opened", "step 3", "Finished at 3"], second.Heard);
        resumed.Dispose();
        Assert.Equal(["Joined", "Lost", "Finished"], EventsOf(folder.EventsFile).Select(happened => $"{happened.Kind}"));
    }

    [Fact]
    public void A_report_before_the_sizes_are_known_is_wrong() =>
        Assert.Equal("a reports rounds before it was prepared", _recorder.Applied("a", [Report(0)]));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_rounds_that_are_done_again_in_an_inexact_job_no_state_is_stored_before_they_are_reported_again(bool isRelaxed)
    {
        using var run = RunFolder.Create(_folder["again"], "job", overwrite: false);
        var job = Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2, Determinism = isRelaxed ? "relaxed" : "strict", Checkpoint = new() { EverySteps = 1 } };
        using var recorder = new RunRecorder(JournalOf(run), job, _view, new(Metrics.NewCustomRegistry()), _time);
        recorder.Open(_rounds);
        recorder.Started(new(1, 0, _rounds.Count, ["a"], Topology.Mesh));
        Assert.Null(recorder.Applied("a", [Report(0)]));
        Assert.Equal(new StateDigest(7, 0), recorder.FactsAfter(1)?.Digest);
        recorder.Started(new(2, 0, _rounds.Count, ["b"], Topology.Mesh));
        Assert.Equal(isRelaxed ? null : new StateDigest(7, 0), recorder.FactsAfter(1)?.Digest);
        var again = isRelaxed ? new StateDigest(8, 8) : new StateDigest(7, 0);
        Assert.Null(recorder.Applied("b", [Report(0) with { Digest = again }]));
        Assert.Equal(again, recorder.FactsAfter(1)?.Digest);
    }

    private void Begin(params string[] workers)
    {
        _recorder.Open(_rounds);
        _recorder.Workers([.. workers.Select(w => (w, "cpu", MemberStatus.Active))]);
        _recorder.Started(new(1, 0, _rounds.Count, [.. workers], Topology.Star));
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
        using var stream = new FileStream(_run.HistoryFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
    }

    /// <summary>A round of one second in which 0.6 of the samples were right.</summary>
    private static RoundReport Report(long number, double loss = 2)
    {
        var samples = _rounds.At(number).Samples;
        return new(number, new(7, (ulong)number), [samples, loss * samples, 0.6 * samples], 0.01 * (number + 1), number + 1, 1, new(0.25, 0.25, 0.25, 0.25));
    }

    private static RunJournal JournalOf(RunFolder folder) => new(LocalDisk.Instance, folder.Path, Metric.Accuracy);

    private static List<RunEvent> EventsOf(string path)
    {
        List<RunEvent> events = [];
        RunEvent.ReadAll(LocalDisk.Instance, path, events.Add);
        return events;
    }
}
