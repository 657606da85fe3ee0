using Prometheus;

namespace Distributed.Shared.Metrics;

/// <summary>What every process exports under the same name.</summary>
internal static class SharedMetrics
{
    public static Gauge Generation(MetricFactory metrics) =>
        metrics.CreateGauge(MetricNames.Generation, "The newest generation that the process knows; 0 before the first.");
}
