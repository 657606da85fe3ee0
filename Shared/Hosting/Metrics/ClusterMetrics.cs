using Distributed.Core.Protocol;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>What the coordinator tells Prometheus of changes of the cluster. Safe from every thread.</summary>
internal sealed class ClusterMetrics
{
    // From two workers in a mesh on one host to a large state on its way to a newcomer.
    private static readonly double[] _seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    private readonly Dictionary<GenerationCause, Counter.Child> _generations;
    private readonly Histogram _reconfiguration;
    private readonly Counter _digestMismatches;
    private readonly Counter _stepsRedone;
    private readonly Counter.Child _killed;
    private readonly Counter.Child _failed;

    internal ClusterMetrics(MetricFactory metrics)
    {
        var generations = metrics.CreateCounter(MetricNames.Generations,
            "Generations that began since the process started, by what made them begin.", [MetricLabels.Cause]);
        _generations = Enum.GetValues<GenerationCause>().ToDictionary(cause => cause, cause => generations.WithLabels(cause.ToString().ToLowerInvariant()));
        _reconfiguration = metrics.CreateHistogram(MetricNames.ReconfigurationSeconds,
            "Time without a plan: from the moment that all workers are asked to stop to the next plan.", new HistogramConfiguration { Buckets = _seconds });
        _digestMismatches = metrics.CreateCounter(MetricNames.DigestMismatches,
            "Replicas whose parameters had other bits than those of the rest; the first one ends the job.");
        _stepsRedone = metrics.CreateCounter(MetricNames.StepsRedone,
            "Steps done again since the process started, because nobody was left who held them.");
        var restarts = metrics.CreateCounter(MetricNames.WorkerRestarts,
            "Local workers started again since the process started, by what had ended them.", [MetricLabels.Reason]);
        (_killed, _failed) = (restarts.WithLabels(MetricLabels.Killed), restarts.WithLabels(MetricLabels.Failed));
    }

    /// <summary>A local worker is started again, which was killed or else failed.</summary>
    public void WorkerRestarted(bool wasKilled) => (wasKilled ? _killed : _failed).Inc();

    public void GenerationBegan(GenerationCause cause) => _generations[cause].Inc();

    /// <summary>A plan is in force after so long without one.</summary>
    public void Reconfigured(TimeSpan took) => _reconfiguration.Observe(took.TotalSeconds);

    /// <summary>A replica had other bits than the rest.</summary>
    public void DigestDiffered() => _digestMismatches.Inc();

    /// <summary>So many more steps have to be done again.</summary>
    /// <param name="steps">0 or more.</param>
    public void StepsRedone(long steps) => _stepsRedone.Inc(steps);
}
