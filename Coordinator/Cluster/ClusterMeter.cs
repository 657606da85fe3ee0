using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Cluster;

/// <summary>Makes metrics of what changes in a cluster. Time is what the caller says it is.</summary>
internal sealed class ClusterMeter(ClusterMetrics metrics)
{
    private TimeSpan? _stoppedAt;

    /// <summary>The cluster has gone from one state to the next.</summary>
    /// <param name="before">That before.</param>
    /// <param name="now">That after.</param>
    /// <param name="at">On a clock that only goes forward.</param>
    public void Changed(ClusterProtocol before, ClusterProtocol now, TimeSpan at)
    {
        var known = before.Generations is [.., var newest] ? newest.Number : 0;
        foreach (var start in now.Generations)
            if (start.Number > known) metrics.GenerationBegan(start.Cause);
        metrics.StepsRedone(now.StepsRedone - before.StepsRedone);
        switch (now.Phase)
        {
            // One that begins within another has the same workers waiting.
            case ClusterPhase.Reconfiguring:
                _stoppedAt ??= at;
                break;
            case ClusterPhase.Training when _stoppedAt is { } since:
                metrics.Reconfigured(at - since);
                _stoppedAt = null;
                break;
            // What takes long now is that somebody comes, or nothing follows.
            default:
                _stoppedAt = null;
                break;
        }
    }
}
