using Distributed.Core.Planning;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

public sealed class WorkerMetricsTests
{
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();

    [Fact]
    public async Task Training_and_evaluation_are_counted_apart_and_only_steps_are_timed()
    {
        var metrics = new WorkerMetrics(_registry, "cpu");
        metrics.RoundApplied(RoundKind.Train, 4, 32, 2.5, new(0.2, 0.001, 0.03, 0.004, 0.5));
        metrics.RoundApplied(RoundKind.Train, 3, 20, 2.25, new(0.3, 0.001, 0.05, 0.004, 0.25));
        metrics.RoundApplied(RoundKind.Evaluate, 1, 128, 9, new(60, 0, 0, 0, 60));
        metrics.LiveTensors(17);
        metrics.GenerationBegan(2);
        var page = await Exposition.Of(_registry);
        Assert.Equal(2, page["distributed_worker_rounds_total{kind=\"train\"}"]);
        Assert.Equal(52, page["distributed_worker_samples_total{kind=\"train\"}"]);
        Assert.Equal(7, page["distributed_worker_micro_batches_total{kind=\"train\"}"]);
        Assert.Equal(1, page["distributed_worker_rounds_total{kind=\"evaluate\"}"]);
        Assert.Equal(128, page["distributed_worker_samples_total{kind=\"evaluate\"}"]);
        Assert.Equal(2.25, page["distributed_worker_train_loss"]);
        Assert.Equal(0.5, page["distributed_worker_step_seconds_sum{phase=\"compute\"}"]);
        Assert.Equal(2, page["distributed_worker_step_seconds_count{phase=\"wait\"}"]);
        Assert.Equal(0.75, page["distributed_worker_reduce_seconds_total"]);
        Assert.Equal(17, page["distributed_worker_live_tensors"]);
        Assert.Equal(2, page["distributed_generation"]);
    }

    [Fact]
    public Task Times_fall_into_their_buckets() => Gen.Double[0.00001, 100].Array[0, 20].SampleAsync(async times =>
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        var metrics = new WorkerMetrics(registry, "cpu");
        foreach (var time in times) metrics.RoundApplied(RoundKind.Train, 1, 1, 1, new RoundTimes(0, 0, time, 0));
        var page = await Exposition.Of(registry);
        foreach (var (text, bound) in new[] { ("0.0001", 0.0001),
            ("0.001", 0.001), ("1", 1), ("60", 60), ("+Inf", double.PositiveInfinity) })
            Assert.Equal(times.Count(time => time <= bound),
                page[$"distributed_worker_step_seconds_bucket{{phase=\"wait\",le=\"{text}\"}}"]);
    }, iter: 200);

    [Theory]
    [InlineData("cuda:0", "cuda:0")]
    [InlineData("a \"GPU\" \\ two\nlines, {no} = Ω", "a \\\"GPU\\\" \\\\ two\\nlines, {no} = Ω")]
    public async Task A_device_may_have_any_name(string device, string written)
    {
        var metrics = new WorkerMetrics(_registry, device);
        Assert.DoesNotContain((await Exposition.Of(_registry)).Samples,
            sample => sample.StartsWith("distributed_worker_info", StringComparison.Ordinal));
        metrics.Named("fritz");
        metrics.Named("fritz-2");
        var page = await Exposition.Of(_registry);
        Assert.Equal([$"distributed_worker_info{{worker=\"fritz-2\",device=\"{written}\"}}"],
            page.Samples.Where(sample => sample.StartsWith("distributed_worker_info", StringComparison.Ordinal)));
    }
}
