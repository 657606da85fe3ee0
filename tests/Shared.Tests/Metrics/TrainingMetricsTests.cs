using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Distributed.Hosting.Metrics;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

public sealed class TrainingMetricsTests
{
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly TrainingMetrics _metrics;

    public TrainingMetricsTests() => _metrics = new(_registry);

    [Fact]
    public async Task Unknown_values_are_absent_and_counters_start_at_zero()
    {
        var page = await Exposition.Of(_registry);
        Assert.DoesNotContain(page.Samples, sample => sample.Contains("loss") || sample.Contains("test_metric") || sample.Contains("rate"));
        Assert.Equal(0, page["distributed_steps_total"]);
        Assert.All(Enum.GetNames<MemberStatus>(),
            state => Assert.Equal(0, page[$"distributed_workers{{state=\"{state.ToLowerInvariant()}\"}}"]));
    }

    [Fact]
    public async Task A_metric_has_its_name_as_a_label()
    {
        _metrics.Evaluated(0, new(Metric.R2, -0.5));
        var page = await Exposition.Of(_registry);
        Assert.Equal(0, page["distributed_test_loss"]);
        Assert.Equal(-0.5, page["distributed_test_metric{metric=\"r2\"}"]);
    }

    [Fact]
    public void An_evaluation_is_not_applied()
    {
        var error = Assert.Throws<ArgumentException>(() => _metrics.RoundApplied(new(7, RoundKind.Evaluate, 0, 7, 0, 10, 1), 1, 1, 1, 1));
        Assert.Contains("round 7 is of kind Evaluate", error.Message);
    }

    [Fact]
    public async Task A_loss_may_be_NaN()
    {
        _metrics.RoundApplied(new(0, RoundKind.Train, 0, 0, 0, 1, 1), double.NaN, 0.1, double.PositiveInfinity, 1);
        var page = await Exposition.Of(_registry);
        Assert.Equal(double.NaN, page["distributed_train_loss"]);
        Assert.Equal(double.PositiveInfinity, page["distributed_gradient_norm"]);
    }

    [Fact]
    public Task Rounds_add_up_and_gauges_show_the_last_one() =>
        Gen.Select(Gen.Int[1, 50], Gen.Int[1, 5], Gen.Int[1, 20], Gen.Double[0, 10]).SampleAsync(async (samples, epochs, batch, loss) =>
        {
            var registry = Prometheus.Metrics.NewCustomRegistry();
            var metrics = new TrainingMetrics(registry);
            var rounds = new Rounds(samples, TestSamples: 0, epochs, batch, MicroBatches: 1);
            for (var number = 0L; number < rounds.Count; number++)
                metrics.RoundApplied(rounds.At(number), loss + number, 0.5, 2, 100);
            var page = await Exposition.Of(registry);
            Assert.Equal(rounds.Steps, page["distributed_steps_total"]);
            Assert.Equal(rounds.Steps, page["distributed_step"]);
            Assert.Equal(epochs, page["distributed_epoch"]);
            Assert.Equal((double)samples * epochs, page["distributed_samples_total"]);
            Assert.Equal(loss + (rounds.Count - 1), page["distributed_train_loss"]);
        }, iter: 100);

    [Fact]
    public Task Worker_counts_are_those_of_the_last_call() =>
        Gen.Dictionary(Gen.OneOfConst("preparing", "ready", "active", "lost"), Gen.Int[0, 9])[0, 4].Array[1, 6].SampleAsync(async history =>
        {
            var registry = Prometheus.Metrics.NewCustomRegistry();
            var metrics = new TrainingMetrics(registry);
            foreach (var byState in history) metrics.Workers(byState);
            var page = await Exposition.Of(registry);
            var workers = page.Samples.Where(sample => sample.StartsWith("distributed_workers", StringComparison.Ordinal));
            Assert.All(history[^1], state => Assert.Equal(state.Value, page[$"distributed_workers{{state=\"{state.Key}\"}}"]));
            Assert.Equal(history[^1].Values.Sum(), workers.Sum(sample => page[sample]));
        }, iter: 200);

    [Fact]
    public async Task Links_count_bytes_and_refusals()
    {
        _metrics.Links.Sent(100);
        _metrics.Links.Sent(56);
        _metrics.Links.Received(7);
        _metrics.Links.Stale();
        _metrics.GenerationBegan(3);
        var page = await Exposition.Of(_registry);
        Assert.Equal(156, page["distributed_link_bytes_total{direction=\"sent\"}"]);
        Assert.Equal(7, page["distributed_link_bytes_total{direction=\"received\"}"]);
        Assert.Equal(1, page["distributed_refused_frames_total{reason=\"stale\"}"]);
        Assert.Equal(0, page["distributed_refused_frames_total{reason=\"violation\"}"]);
        Assert.Equal(3, page["distributed_generation"]);
    }

    [Fact]
    public async Task Trainings_in_separate_registries_are_independent()
    {
        var other = Prometheus.Metrics.NewCustomRegistry();
        new TrainingMetrics(other).GenerationBegan(9);
        _metrics.GenerationBegan(1);
        Assert.Equal(1, (await Exposition.Of(_registry))["distributed_generation"]);
        Assert.Equal(9, (await Exposition.Of(other))["distributed_generation"]);
    }
}
