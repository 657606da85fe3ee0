using System.ComponentModel;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Cluster;

// Tracks what each local worker has done since it was started, and decides whether one that ends is started again. Used by one thread at
// a time.
internal sealed class LocalSupervisor(ILocalWorkers? workers, int maxRestarts, RunRecorder recorder, ClusterMetrics metrics)
{
    private readonly HashSet<string> _applied = new(StringComparer.Ordinal);
    private readonly HashSet<string> _refused = new(StringComparer.Ordinal);
    private readonly HashSet<string> _pausing = new(StringComparer.Ordinal);
    private RestartPolicy _policy = new(maxRestarts);

    public bool Has(string worker) => workers?.LogOf(worker) is not null;
    public string WithLog(string worker, string why) => workers?.LogOf(worker) is { } log ? $"{why} (see {log})" : why;

    public void Applied(string worker)
    {
        if (workers is not null) _applied.Add(worker);
    }

    public void Refused(string worker)
    {
        if (Has(worker)) _refused.Add(worker);
    }

    public RestartDecision Ended(string worker, string reason, int exitCode)
    {
        var ending = RestartPolicy.EndingOf(exitCode, _applied.Remove(worker), _refused.Remove(worker));
        return Decide(worker, reason, ending);
    }

    /// <returns>The next decision if the worker could not be started; null if it runs.</returns>
    public RestartDecision? Restart(string worker)
    {
        if (!_pausing.Remove(worker)) return null;
        try
        {
            workers!.Restart(worker);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Win32Exception)
        {
            return Decide(worker, $"it could not be started: {error.Message}", WorkerEnding.Failed);
        }
    }

    public ClusterEvent.Supply GiveUp(string worker, RestartDecision.None why)
    {
        if (!why.HasLeft) recorder.Happened(RunEventKind.Fault, $"{worker} is not started again: {why.Why}", worker);
        return new(_policy.LeftOf(workers?.Names ?? []), why.Why);
    }

    private RestartDecision Decide(string worker, string reason, WorkerEnding ending)
    {
        (_policy, var decision) = _policy.Ended(worker, ending, WithLog(worker, reason));
        if (decision is RestartDecision.Restart restart)
        {
            _pausing.Add(worker);
            metrics.WorkerRestarted(ending == WorkerEnding.Killed);
            recorder.Happened(RunEventKind.Restarted, $"{worker} is started again in {restart.After.TotalSeconds:0} s, "
                + $"restart {restart.Number} of at most {_policy.MaxRestarts}: {WithLog(worker, reason)}", worker);
        }
        return decision;
    }
}
