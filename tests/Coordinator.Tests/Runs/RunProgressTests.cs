using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;
using static Distributed.Coordinator.Tests.Runs.RecorderBench;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class RunProgressTests : IDisposable
{
    private readonly RecorderBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Reports_are_shown_once_per_refresh_and_only_if_something_changed()
    {
        _bench.Begin("a", "b");
        var before = _bench.View.Updates.Count;
        foreach (var worker in (string[])["a", "b"]) Assert.Null(_bench.Recorder.Applied(worker, [Report(0), Report(1)]));
        _bench.Recorder.Workers([("a", "cpu", MemberStatus.Halted)]);
        Assert.Equal(before, _bench.View.Updates.Count);
        _bench.Recorder.Refresh();
        _bench.Recorder.Refresh();
        Assert.Equal(before + 1, _bench.View.Updates.Count);
        Assert.Equal((2, "stopped"), (_bench.View.Last.Step, _bench.View.Last.Workers[0].Doing));
    }

    [Fact]
    public void A_new_phase_a_plan_a_lost_worker_and_the_end_are_shown_at_once()
    {
        _bench.Begin("a", "b");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0)]));
        _bench.Recorder.Phase("saving");
        Assert.Equal(("saving", 1), (_bench.View.Last.Phase, _bench.View.Last.Step));
        _bench.Recorder.Started(new(2, 1, JobRounds.Count, ["a", "b"], Topology.Star));
        Assert.Equal("training", _bench.View.Last.Phase);
        _bench.Recorder.WorkerGone("b");
        Assert.Equal(["a"], _bench.View.Last.Workers.Select(w => w.Name));
        Assert.Null(_bench.Recorder.Applied("a", [Report(1)]));
        _bench.Recorder.Dispose();
        Assert.Equal(2, _bench.View.Last.Step);
    }

    [Fact]
    public async Task Every_step_is_exported_once()
    {
        _bench.Begin("a", "b");
        foreach (var worker in (string[])["a", "b"]) Assert.Null(_bench.Recorder.Applied(worker, [Report(0), Report(1), Report(2)]));
        Assert.Equal(2, await _bench.Registry.ValueAsync(MetricNames.Steps));
        Assert.Equal(7, await _bench.Registry.ValueAsync(MetricNames.Samples));
        Assert.Equal(2, await _bench.Registry.ValueAsync(MetricNames.Step));
        Assert.Equal(2, await _bench.Registry.ValueAsync(MetricNames.TrainLoss));
        Assert.Equal(0.02, await _bench.Registry.ValueAsync(MetricNames.LearningRate));
        Assert.Equal(2, await _bench.Registry.ValueAsync(MetricNames.TestLoss));
        Assert.Equal(0.6, await _bench.Registry.ValueAsync($"{MetricNames.TestMetric}{{metric=\"accuracy\"}}"));
        Assert.Equal(1, await _bench.Registry.ValueAsync(MetricNames.Generation));
        Assert.Equal(2, await _bench.Registry.ValueAsync($"{MetricNames.Workers}{{state=\"active\"}}"));
        Assert.Equal(0, await _bench.Registry.ValueAsync($"{MetricNames.Workers}{{state=\"preparing\"}}"));
    }

    [Fact]
    public async Task The_metrics_of_a_worker_are_exported_until_it_is_gone()
    {
        _bench.Begin("a", "b");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0) with { MicroBatches = 2, Times = new(1, 0, 0.5, 0) }]));
        Assert.Null(_bench.Recorder.Applied("b",
        [
            Report(0) with { MicroBatches = 1, Times = new(1, 0, 2, 0) },
            Report(1) with { MicroBatches = 1, Times = new(1, 0, 0, 0) },
        ]));
        Assert.Equal(1.5, await _bench.Registry.ValueAsync($"{MetricNames.Behind}{{worker=\"a\"}}"));
        Assert.Equal(0, await _bench.Registry.ValueAsync($"{MetricNames.Behind}{{worker=\"b\"}}"));
        Assert.Equal(2, await _bench.Registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"a\"}}"));
        _bench.Recorder.WorkerGone("a");
        Assert.Null(await _bench.Registry.ValueAsync($"{MetricNames.Behind}{{worker=\"a\"}}"));
        Assert.Null(await _bench.Registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"a\"}}"));
        Assert.Equal(1, await _bench.Registry.ValueAsync($"{MetricNames.AssignedMicroBatches}{{worker=\"b\"}}"));
    }

    [Fact]
    public async Task Differing_replicas_are_counted()
    {
        _bench.Begin("a", "b");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0)]));
        Assert.NotNull(_bench.Recorder.Applied("b", [Report(5)]));
        Assert.Equal(0, await _bench.Registry.ValueAsync(MetricNames.DigestMismatches));
        Assert.NotNull(_bench.Recorder.Applied("b", [Report(0) with { Digest = default }]));
        Assert.Equal(1, await _bench.Registry.ValueAsync(MetricNames.DigestMismatches));
    }

    [Fact]
    public void The_progress_shows_the_run_and_its_workers()
    {
        Assert.Empty(_bench.View.Updates);
        _bench.Recorder.Happened(RunEventKind.Note, "hello");
        Assert.Equal(["hello"], _bench.View.Messages);
        _bench.Begin("a", "b");
        var begun = _bench.View.Last;
        Assert.Equal(("training", 0, 2, 0, 4), (begun.Phase, begun.Epoch, begun.Epochs, begun.Step, begun.Steps));
        Assert.Null(begun.Loss);
        Assert.Null(begun.TimeLeft);
        Assert.Null(begun.TestMetric);

        var slow = Report(0) with { MicroBatches = 2, Times = new(0.1, 0.2, 0.3, 0.4) };
        Assert.Null(_bench.Recorder.Applied("b", [slow, Report(1), Report(2)]));
        _bench.Recorder.Refresh();
        var shown = _bench.View.Last;
        Assert.Equal((1, 2, 2.0, 0.6), (shown.Epoch, shown.Step, shown.Loss, shown.TestMetric?.Value));
        Assert.Equal(["a", "b"], shown.Workers.Select(w => w.Name));
        var (a, b) = (shown.Workers[0], shown.Workers[1]);
        Assert.Equal((0, 0), (a.ComputeShare, a.MicroBatches));
        Assert.Equal(1, b.MicroBatches);
        Assert.Equal(1, b.ComputeShare + b.SendShare + b.WaitShare + b.ApplyShare, 1e-12);

        _bench.Recorder.WorkerGone("b");
        _bench.Recorder.Phase("saving");
        Assert.Equal("saving", _bench.View.Last.Phase);
        Assert.Equal(["a"], _bench.View.Last.Workers.Select(w => w.Name));
    }

    [Fact]
    public void The_progress_names_the_status_of_each_worker()
    {
        _bench.Recorder.Workers([.. Enum.GetValues<MemberStatus>().Select(s => ($"{(int)s}", "cuda:0", s))]);
        _bench.Recorder.Refresh();
        Assert.Equal(["preparing", "ready", "stopped", "catching up", "training"], _bench.View.Last.Workers.Select(w => w.Doing));
        Assert.All(_bench.View.Last.Workers, w => Assert.Equal("cuda:0", w.Device));
    }

    [Fact]
    public async Task The_time_left_follows_from_the_samples_left()
    {
        _bench.Begin("a");
        // One second for four samples leaves ten.
        Assert.Null(_bench.Recorder.Applied("a", [Report(0)]));
        _bench.Recorder.Refresh();
        Assert.Equal(4, _bench.View.Last.SamplesPerSecond, 1e-9);
        Assert.Equal(2.5, _bench.View.Last.TimeLeft!.Value.TotalSeconds, 1e-6);
        for (var number = 1; number < JobRounds.Count; number++) Assert.Null(_bench.Recorder.Applied("a", [Report(number)]));
        _bench.Recorder.Refresh();
        Assert.Equal(TimeSpan.Zero, _bench.View.Last.TimeLeft);
        Assert.Equal(0, await _bench.Registry.ValueAsync(MetricNames.TimeLeft));
        Assert.Equal(JobRounds.Steps, await _bench.Registry.ValueAsync(MetricNames.JobSteps));
    }

    [Fact]
    public void The_time_left_is_unknown_if_it_exceeds_the_range_of_a_time_span()
    {
        _bench.Begin("a");
        Assert.Null(_bench.Recorder.Applied("a", [Report(0) with { Times = new(double.MaxValue, double.MaxValue, 0, 0) }]));
        _bench.Recorder.Refresh();
        Assert.Null(_bench.View.Last.TimeLeft);
    }
}
