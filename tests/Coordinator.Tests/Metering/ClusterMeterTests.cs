using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;
using Prometheus;

namespace Distributed.Coordinator.Tests.Metering;

public sealed class ClusterMeterTests
{
    private static readonly ClusterProtocol _start = new() { Job = new(1, 4, 2), Topology = Topology.Mesh, StartWith = 1, MinWorkers = 1 };

    [Fact]
    public Task A_reconfiguration_is_timed_from_the_first_stop_without_the_wait_for_workers() =>
        Gen.Enum<ClusterPhase>().Array[0, 30].SampleAsync(async phases =>
        {
            var registry = Metrics.NewCustomRegistry();
            var meter = new ClusterMeter(new TrainingMetrics(registry).Cluster);
            var (before, expected, since) = (_start, new List<double>(), double.NaN);
            for (var at = 0; at < phases.Length; at++)
            {
                var now = before with { Phase = phases[at] };
                meter.Changed(before, now, TimeSpan.FromSeconds(at));
                before = now;
                if (now.Phase == ClusterPhase.Training && !double.IsNaN(since)) expected.Add(at - since);
                since = now.Phase == ClusterPhase.Reconfiguring ? (double.IsNaN(since) ? at : since) : double.NaN;
            }
            Assert.Equal(expected.Count, await registry.ValueAsync($"{MetricNames.ReconfigurationSeconds}_count"));
            Assert.Equal(expected.Sum(), await registry.ValueAsync($"{MetricNames.ReconfigurationSeconds}_sum"));
        }, iter: 200);

    [Fact]
    public async Task Generations_are_counted_by_cause_and_repeated_steps_are_added_up()
    {
        var registry = Metrics.NewCustomRegistry();
        var meter = new ClusterMeter(new TrainingMetrics(registry).Cluster);
        // Generations of an earlier coordinator are not counted again.
        var begun = _start with { Generations = [new(1, GenerationCause.Lost, "")], StepsRedone = 5 };
        var generations = begun.Generations.AddRange([new(2, GenerationCause.Lost, ""), new(3, GenerationCause.Joined, "")]);
        var next = begun with { Generations = generations, StepsRedone = 7 };
        meter.Changed(begun, next, TimeSpan.Zero);
        meter.Changed(next, next with { StepsRedone = 8 }, TimeSpan.Zero);
        Assert.Equal(1, await registry.ValueAsync($"{MetricNames.Generations}{{cause=\"lost\"}}"));
        Assert.Equal(1, await registry.ValueAsync($"{MetricNames.Generations}{{cause=\"joined\"}}"));
        Assert.Equal(0, await registry.ValueAsync($"{MetricNames.Generations}{{cause=\"start\"}}"));
        Assert.Equal(3, await registry.ValueAsync(MetricNames.StepsRedone));
    }
}
