using System.Diagnostics;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

/// <summary>Watches for workers that are overdue or slow, by the clock of this process. Used by one thread at a time.</summary>
internal sealed class Watches(int microBatches)
{
    private readonly ProgressWatch _progress = new();
    private readonly StragglerWatch _stragglers = new(microBatches);
    private long _lookedAt = Stopwatch.GetTimestamp();

    public void Applied(string worker, ReadOnlySpan<RoundReport> reports, Rounds rounds)
    {
        foreach (var report in reports)
        {
            var round = rounds.At(report.Round);
            _progress.Applied(worker, round, report.Times.Total);
            if (round.Kind == RoundKind.Train) _stragglers.Applied(worker, report.MicroBatches, report.Times.Compute);
        }
    }

    public void Forget(string worker)
    {
        _progress.Forget(worker);
        _stragglers.Forget(worker);
    }

    /// <summary>Time since the last call, without pauses of this process: while it pauses, it cannot hear the workers.</summary>
    public TimeSpan Elapsed()
    {
        var now = Stopwatch.GetTimestamp();
        var elapsed = Stopwatch.GetElapsedTime(_lookedAt, now);
        _lookedAt = now;
        return elapsed > 2 * RunRecorder.Interval ? 2 * RunRecorder.Interval : elapsed;
    }

    public ClusterEvent? Overdue(TimeSpan elapsed, ClusterProtocol cluster) =>
        _progress.Tick(elapsed, cluster) is { } overdue ? new ClusterEvent.Overdue(overdue) : null;

    public ClusterEvent? Unbalanced(TimeSpan elapsed, ClusterProtocol cluster) =>
        cluster.Job.IsExact && _stragglers.Tick(elapsed, cluster.Phase == ClusterPhase.Training ? cluster.Plan : null) is var (shares, why)
            ? new ClusterEvent.Unbalanced(shares, why)
            : null;
}
