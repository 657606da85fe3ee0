using Distributed.Core.Protocol;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>The coordinator's metrics of changes of the cluster. Safe from every thread.</summary>
internal sealed class ClusterMetrics(MetricFactory metrics)
{
    // From two workers in a mesh on one host to a large state for a newcomer.
    private static readonly double[] _seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    private readonly Dictionary<GenerationCause, Counter.Child> _generations =
        Enum.GetValues<GenerationCause>().ToDictionary(cause => cause, cause => Generations(metrics, cause));
    private readonly Histogram _reconfiguration = metrics.CreateHistogram(MetricNames.ReconfigurationSeconds,
        "Time without a plan: from the halt of all workers to the next plan.", new HistogramConfiguration { Buckets = _seconds });
    private readonly Counter _digestMismatches = metrics.CreateCounter(MetricNames.DigestMismatches,
        "Replicas whose parameters had other bits than those of the rest; the first one ends the job.");
    private readonly Counter _stepsRedone = metrics.CreateCounter(MetricNames.StepsRedone,
        "Steps done again since the process started, because every worker that had applied them was lost.");
    private readonly Counter.Child _killed = Restarts(metrics, MetricLabels.Killed);
    private readonly Counter.Child _failed = Restarts(metrics, MetricLabels.Failed);

    public void WorkerRestarted(bool wasKilled) => (wasKilled ? _killed : _failed).Inc();
    public void GenerationBegan(GenerationCause cause) => _generations[cause].Inc();
    public void Reconfigured(TimeSpan took) => _reconfiguration.Observe(took.TotalSeconds);
    public void DigestDiffered() => _digestMismatches.Inc();
    public void StepsRedone(long steps) => _stepsRedone.Inc(steps);

    private static Counter.Child Generations(MetricFactory metrics, GenerationCause cause) => metrics.CreateCounter(
        MetricNames.Generations, "Generations that began since the process started, by their cause.", [MetricLabels.Cause])
        .WithLabels(cause.ToString().ToLowerInvariant());

    private static Counter.Child Restarts(MetricFactory metrics, string reason) => metrics.CreateCounter(MetricNames.WorkerRestarts,
        "Local workers started again since the process started, by the reason of their end.", [MetricLabels.Reason]).WithLabels(reason);
}

/// <summary>The coordinator's metrics of checkpoints. Safe from every thread.</summary>
internal sealed class CheckpointMetrics(MetricFactory metrics)
{
    // From a small state on a fast disk to 2 GiB on a slow one.
    private static readonly double[] _seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Histogram _duration = metrics.CreateHistogram(MetricNames.CheckpointSeconds,
        "Time from the arrival of a state at the coordinator until it is safe on the disk.",
        new HistogramConfiguration { Buckets = _seconds });
    private readonly Gauge _bytes = metrics.CreateLateGauge(MetricNames.CheckpointBytes, "Size of the newest checkpoint.");
    private readonly Gauge _timestamp = metrics.CreateLateGauge(MetricNames.CheckpointTimestamp,
        "When the newest checkpoint was written, in seconds since 1970.");
    private readonly Counter _failures = metrics.CreateCounter(MetricNames.CheckpointFailures,
        "Checkpoints that could not be stored since the process started.");

    public void Found(long bytes, DateTimeOffset at)
    {
        _bytes.Set(bytes);
        _timestamp.Set(at.ToUnixTimeMilliseconds() / 1000.0);
    }

    public void Stored(long bytes, DateTimeOffset at, TimeSpan took)
    {
        Found(bytes, at);
        _duration.Observe(took.TotalSeconds);
    }

    public void Failed() => _failures.Inc();
}

/// <summary>The coordinator's metrics of each worker that is there. Call from one thread at a time; reading is safe meanwhile.</summary>
internal sealed class MemberMetrics(MetricFactory metrics)
{
    private readonly Counter _behind = metrics.CreateCounter(MetricNames.Behind,
        "How much later than the fastest worker this one finished its part, "
        + "summed over the training steps that all workers of the plan have reported.", [MetricLabels.Worker]);
    private readonly Gauge _microBatches = metrics.CreateGauge(MetricNames.AssignedMicroBatches,
        "Micro-batches of the last step that the worker computed.", [MetricLabels.Worker]);
    private readonly Dictionary<string, (Counter.Child Behind, Gauge.Child MicroBatches)> _members = new(StringComparer.Ordinal);

    public void Computed(string worker, int microBatches) => Of(worker).MicroBatches.Set(microBatches);
    public void Behind(string worker, double seconds) => Of(worker).Behind.Inc(seconds);

    public void Gone(string worker)
    {
        if (!_members.Remove(worker)) return;
        _behind.RemoveLabelled(worker);
        _microBatches.RemoveLabelled(worker);
    }

    private (Counter.Child Behind, Gauge.Child MicroBatches) Of(string worker)
    {
        if (!_members.TryGetValue(worker, out var member))
            _members.Add(worker, member = (_behind.WithLabels(worker), _microBatches.WithLabels(worker)));
        return member;
    }
}
