using Distributed.Hosting.Metrics;

namespace Distributed.Shared.Tests.Metrics;

public sealed class MetricNamesTests
{
    private static readonly string[] _names = [.. typeof(MetricNames).GetFields()
        .Where(field => field.Name != nameof(MetricNames.Prefix))
        .Select(field => (string)field.GetRawConstantValue()!)];

    [Fact]
    public async Task Coordinator_and_worker_export_exactly_the_known_names()
    {
        var exported = (await ExportedMetrics.OfCoordinator()).Types.Keys.Union((await ExportedMetrics.OfWorker()).Types.Keys);
        Assert.Equal(_names.Order(StringComparer.Ordinal), exported.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Every_metric_has_a_help_text()
    {
        foreach (var page in new[] { await ExportedMetrics.OfCoordinator(), await ExportedMetrics.OfWorker() })
        {
            Assert.Equal(page.Types.Keys.ToHashSet(), page.Help.Keys.ToHashSet());
            Assert.All(page.Types.Keys, name => Assert.Contains(page.Samples, sample => sample.StartsWith(name, StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task What_both_export_means_the_same()
    {
        var (coordinator, worker) = (await ExportedMetrics.OfCoordinator(), await ExportedMetrics.OfWorker());
        var common = coordinator.Types.Keys.Intersect(worker.Types.Keys).ToHashSet();
        Assert.Equal([MetricNames.CertificateExpires, MetricNames.ControlMessages, MetricNames.Generation, MetricNames.LinkBytes,
            MetricNames.RefusedConnections, MetricNames.RefusedFrames,
            MetricNames.RefusedMessages, MetricNames.RefusedRequests, MetricNames.RepeatedMessages, MetricNames.ResentFrames], common);
        Assert.All(common, name =>
            Assert.Equal((coordinator.Types[name], coordinator.Help[name]), (worker.Types[name], worker.Help[name])));
    }

    [Fact]
    public async Task Names_follow_the_conventions_of_their_types()
    {
        Assert.All(_names, name => Assert.Matches("^distributed_[a-z]+(_[a-z]+)*$", name));
        foreach (var page in new[] { await ExportedMetrics.OfCoordinator(), await ExportedMetrics.OfWorker() })
            Assert.All(page.Types,
                family => Assert.Equal(family.Value == "counter", family.Key.EndsWith("_total", StringComparison.Ordinal)));
    }
}
