using System.Text;
using System.Text.Json;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Live;

public sealed class LiveRunTests
{
    private static readonly Gen<double> _anyNumber =
        Gen.OneOf(Gen.Double, Gen.OneOfConst(0, double.NaN, double.PositiveInfinity, double.NegativeInfinity));

    private static readonly Gen<(double[] Losses, bool[] Looks)> _anyHistory = Gen.Select(_anyNumber.Array[0, 50], Gen.Bool.Array[50]);

    private readonly LiveRun _run = LiveRun.Of("digits", Job.Default);
    private LiveCursor _seen;

    [Fact]
    public void The_first_message_has_everything_and_the_next_the_changes()
    {
        _run.Opened(new(TrainSamples: 7, TestSamples: 5, Epochs: 2, Batch: 4, MicroBatches: 2));
        Step(1, 3);
        var first = Next();
        Assert.Equal(("digits", Job.Default.Epochs), (first.Run!.Name, first.Run.Epochs));
        Assert.Equal((2L, 4L), (first.Status!.StepsPerEpoch!.Value, first.Status.Steps));
        Assert.Equal([2.5f], Next(step: (2, 2.5)).Train!.Mean.Skip(1));
        Assert.Null(_run.Since(ref _seen));
        _run.Evaluated(new() { Epoch = 1, Step = 2, TestLoss = 1.5, TestMetric = new(Metric.Accuracy, 0.5) });
        var last = Next();
        Assert.Null(last.Run);
        Assert.Null(last.Train);
        Assert.Null(last.Events);
        Assert.Equal((1.5, 0.5), (last.Test!.Last, last.Metric!.Last));
    }

    [Fact]
    public void A_page_that_follows_has_the_state_of_a_page_opened_late() => _anyHistory.Sample((losses, looks) =>
    {
        var run = LiveRun.Of("digits", Job.Default);
        var (follower, late) = (new CurveFollower(), new CurveFollower());
        List<LiveEvent> events = [];
        var seen = default(LiveCursor);
        for (var i = 0; i < losses.Length; i++)
        {
            run.Stepped(Row(i + 1, losses[i]));
            if (i % 3 == 0) run.Happened(Event(RunEventKind.Note, null, $"{i}"));
            if (looks[i] && run.Since(ref seen) is { } message) Take(message);
        }
        if (run.Since(ref seen) is { } rest) Take(rest);
        var nothing = default(LiveCursor);
        var all = run.Since(ref nothing)!;
        late.Take(all.Train);
        Assert.Equal(late.Points, follower.Points);
        Assert.Equal(all.Events ?? [], events);
        Assert.Equal(seen, nothing);

        void Take(LiveMessage message)
        {
            follower.Take(message.Train);
            events.AddRange(message.Events ?? []);
        }
    });

    [Fact]
    public void Any_numbers_are_valid_JSON_and_non_finite_ones_null() => _anyNumber.Array[6].Sample(numbers =>
    {
        var run = LiveRun.Of("digits", Job.Default);
        run.Stepped(Row(1, numbers[0]) with { SamplesPerSecond = numbers[1] });
        run.Evaluated(new() { Epoch = 1, Step = 1, TestLoss = numbers[2], TestMetric = new(Metric.Accuracy, numbers[3]) });
        run.Progressed(new()
        {
            Phase = "training",
            Epochs = 1,
            Steps = 1,
            Loss = numbers[0],
            TestMetric = new(Metric.Accuracy, numbers[3]),
            SamplesPerSecond = numbers[4],
            Workers = [new("a", "cpu", "training", numbers[5], 0, 0, 0, 1)],
        });
        var seen = default(LiveCursor);
        using var json = JsonDocument.Parse(LiveJson.Of(run.Since(ref seen)!));
        var mean = json.RootElement.GetProperty("train").GetProperty("mean")[0];
        Assert.Equal(double.IsFinite(numbers[0]) && float.IsFinite((float)numbers[0]), mean.ValueKind == JsonValueKind.Number);
        Assert.Equal(!double.IsFinite(numbers[0]), json.RootElement.GetProperty("status").TryGetProperty("diverged_at", out _));
    });

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void The_status_says_whether_there_is_a_test_set(int samples, bool isTested)
    {
        _run.Opened(new(TrainSamples: 7, TestSamples: samples, Epochs: 2, Batch: 4, MicroBatches: 2));
        Assert.Equal(isTested, Next().Status!.IsTested);
    }

    [Fact]
    public void The_status_has_the_step_of_divergence()
    {
        foreach (var (step, loss) in new[] { (1, 1.0), (2, double.NaN), (3, double.PositiveInfinity) }) Step(step, loss);
        Assert.Equal(2, Next().Status!.DivergedAt);
        Assert.Null(Next(step: (4, 1)).Status!.DivergedAt);
    }

    [Fact]
    public void A_lost_worker_is_listed_until_it_is_back()
    {
        _run.Happened(Event(RunEventKind.Joined, "b", "b has joined, with cpu"));
        Workers("a", "b");
        Assert.Equal([("a", WorkerPresence.Here), ("b", WorkerPresence.Here)], Presence());
        Workers("a");
        _run.Happened(Event(RunEventKind.Lost, "b", "b is lost: exit code 137"));
        Assert.Equal([("a", WorkerPresence.Here), ("b", WorkerPresence.Lost)], Presence());
        Assert.Equal(("cpu", false), Next(step: (1, 1)).Workers![1] is var lost ? (lost.Progress.Device, lost.StartsAgain) : default);
        _run.Happened(Event(RunEventKind.Restarted, "b", "b is started again in 1 s"));
        Assert.True(Next(step: (2, 1)).Workers![1].StartsAgain);
        _run.Happened(Event(RunEventKind.Joined, "b", "b has joined, with cpu"));
        Workers("a", "b");
        Assert.Equal([("a", WorkerPresence.Here), ("b", WorkerPresence.Here)], Presence());
    }

    [Fact]
    public void Only_the_last_workers_that_left_are_kept()
    {
        for (var i = 0; i < 1000; i++)
        {
            Workers("a", $"w{i}");
            Workers("a");
            _run.Happened(Event(RunEventKind.Lost, $"w{i}", "lost"));
        }
        var message = Next();
        Assert.Equal(1 + 32, message.Workers!.Count);
        Assert.Equal("w999", message.Workers[^1].Progress.Name);
    }

    [Fact]
    public void Workers_beyond_the_limit_are_counted_only()
    {
        Workers([.. Enumerable.Range(0, 1000).Select(i => $"w{i}")]);
        var message = Next();
        Assert.Equal((LiveRun.MaxWorkers, 1000 - LiveRun.MaxWorkers, 1000),
            (message.Workers!.Count, message.MoreWorkers, message.Status!.Workers));
    }

    [Fact]
    public void A_continued_run_has_its_history_but_not_its_former_end()
    {
        _run.Recalled(Row(1, 2));
        _run.Recalled(Row(2, 1));
        _run.Recalled(new EpochResult { Epoch = 1, Step = 2, TestLoss = 3, TestMetric = new(Metric.Accuracy, 0.25) });
        _run.Recalled(Event(RunEventKind.Lost, "a", "a is lost"));
        _run.Recalled(Event(RunEventKind.Failed, null, "interrupted"));
        var message = Next();
        var status = message.Status!;
        Assert.Equal((LiveOutcome.Running, 2L, 1.0, 0.25), (status.Outcome, status.Step, status.Loss!.Value, status.Metric!.Value));
        Assert.Equal([2f, 1], message.Train!.Mean);
        Assert.Equal(2, message.Events!.Count);
        Assert.Equal(WorkerPresence.Lost, Assert.Single(message.Workers!).Presence);
    }

    [Theory]
    [InlineData(RunEventKind.Finished, LiveOutcome.Finished, null)]
    [InlineData(RunEventKind.Failed, LiveOutcome.Failed, "no more workers")]
    [InlineData(RunEventKind.Note, LiveOutcome.Unfinished, null)]
    public void The_outcome_is_that_of_the_last_event(RunEventKind kind, object outcome, string? reason)
    {
        _run.Happened(Event(kind, null, "no more workers"));
        Assert.False(_run.Ended.IsCompleted);
        _run.End();
        _run.End();
        Assert.True(_run.Ended.IsCompleted);
        var status = Next().Status!;
        Assert.Equal((outcome, reason), (status.Outcome, status.Reason));
    }

    [Fact]
    public void A_message_of_a_long_run_is_bounded()
    {
        for (var i = 1; i <= 300_000; i++) _run.Stepped(Row(i, 1.0 / i));
        for (var i = 0; i < 1000; i++) _run.Happened(Event(RunEventKind.Fault, null, new('x', 100_000)));
        Workers([.. Enumerable.Range(0, 1000).Select(i => $"w{i}")]);
        Assert.InRange(LiveJson.Of(Next()).Length, 10_000, 400_000);
        Step(300_001, 1);
        Assert.InRange(LiveJson.Of(Next()).Length, 100, 40_000);
    }

    [Fact]
    public void A_text_with_line_breaks_stays_in_one_line()
    {
        _run.Happened(Event(RunEventKind.Note, null, "a\n\ndata: {}\r\n</script>\u2028"));
        Assert.DoesNotContain('\n', Encoding.UTF8.GetString(LiveJson.Of(Next())));
        Assert.DoesNotContain('\r', Encoding.UTF8.GetString(LiveJson.Of(Next(step: (1, 1)))));
    }

    private LiveMessage Next((int Number, double Loss)? step = null)
    {
        if (step is { } next) Step(next.Number, next.Loss);
        return _run.Since(ref _seen)!;
    }

    private IEnumerable<(string, WorkerPresence)> Presence() => Next().Workers!.Select(worker => (worker.Progress.Name, worker.Presence));

    private void Step(int number, double loss) => _run.Stepped(Row(number, loss));

    private void Workers(params IEnumerable<string> names) => _run.Progressed(new()
    {
        Phase = "training",
        Epochs = 1,
        Steps = 10,
        Workers = [.. names.Select(name => new WorkerProgress(name, "cpu", "training", 0.5, 0.1, 0.2, 0.1, 2))],
    });

    private static RunEvent Event(RunEventKind kind, string? worker, string text) =>
        new() { At = DateTimeOffset.UnixEpoch, Step = 1, Kind = kind, Worker = worker, Text = text };

    private static HistoryRow Row(int step, double loss) =>
        new() { Step = step, Epoch = 1, Loss = loss, LearningRate = 0.1, GradientNorm = 1, SamplesPerSecond = 100 };
}
