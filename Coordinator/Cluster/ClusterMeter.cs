using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Cluster;

internal sealed class ClusterMeter(ClusterMetrics metrics)
{
    private TimeSpan? _stoppedAt;

    public void Changed(ClusterProtocol before, ClusterProtocol now, TimeSpan at)
    {
        var known = before.Generations is [.., var newest] ? newest.Number : 0;
        foreach (var start in now.Generations)
            if (start.Number > known) metrics.GenerationBegan(start.Cause);
        metrics.StepsRedone(now.StepsRedone - before.StepsRedone);
        switch (now.Phase)
        {
            // A reconfiguration within another one: the same workers are still waiting.
            case ClusterPhase.Reconfiguring:
                _stoppedAt ??= at;
                break;
            case ClusterPhase.Training when _stoppedAt is { } since:
                metrics.Reconfigured(at - since);
                _stoppedAt = null;
                break;
            // Waiting for workers, or the end of the run, does not count as a reconfiguration.
            default:
                _stoppedAt = null;
                break;
        }
    }
}
