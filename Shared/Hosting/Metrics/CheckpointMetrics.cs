using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>What the coordinator tells Prometheus of checkpoints. What is not known yet is absent. Safe from every thread.</summary>
internal sealed class CheckpointMetrics
{
    // From a small state on a fast disk to 2 GiB on a slow one.
    private static readonly double[] _seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Histogram _duration;
    private readonly Gauge _bytes;
    private readonly Gauge _timestamp;
    private readonly Counter _failures;

    internal CheckpointMetrics(MetricFactory metrics)
    {
        _duration = metrics.CreateHistogram(MetricNames.CheckpointSeconds,
            "Time from the arrival of a state at the coordinator to its safety on the disk.", new HistogramConfiguration { Buckets = _seconds });
        _bytes = metrics.CreateGauge(MetricNames.CheckpointBytes, "Size of the newest checkpoint.", new GaugeConfiguration { SuppressInitialValue = true });
        _timestamp = metrics.CreateGauge(MetricNames.CheckpointTimestamp,
            "When the newest checkpoint was written, in seconds since 1970.", new GaugeConfiguration { SuppressInitialValue = true });
        _failures = metrics.CreateCounter(MetricNames.CheckpointFailures, "Checkpoints that could not be stored since the process started.");
    }

    /// <summary>There is a checkpoint, perhaps of an earlier process.</summary>
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

    /// <summary>A checkpoint could not be stored.</summary>
    public void Failed() => _failures.Inc();
}
