using System.Collections.Frozen;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>What every process exports under the same name.</summary>
internal static class SharedMetrics
{
    public static Gauge Generation(MetricFactory metrics) =>
        metrics.CreateGauge(MetricNames.Generation, "The newest generation that the process knows; 0 before the first.");

    /// <summary>By the reason, on one of the planes.</summary>
    public static FrozenDictionary<Refusal, Counter.Child> RefusedConnections(MetricFactory metrics, string plane)
    {
        var refused = metrics.CreateCounter(MetricNames.RefusedConnections,
            "Connections refused: those of others to this process, and its own to whoever did not prove who they are.", [MetricLabels.Plane, MetricLabels.Reason]);
        return Enum.GetValues<Refusal>().ToFrozenDictionary(refusal => refusal, refusal => refused.WithLabels(plane, $"{refusal}".ToLowerInvariant()));
    }
}
