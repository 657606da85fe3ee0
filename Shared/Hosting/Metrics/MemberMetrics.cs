using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>
/// What the coordinator alone knows of each worker, by <see cref="MetricLabels.Worker"/>. There are as many series as workers: those of
/// one that is gone are taken away. Call from one thread at a time; reading is safe meanwhile.
/// </summary>
internal sealed class MemberMetrics
{
    private readonly Counter _behind;
    private readonly Gauge _microBatches;
    private readonly Dictionary<string, (Counter.Child Behind, Gauge.Child MicroBatches)> _members = new(StringComparer.Ordinal);

    internal MemberMetrics(MetricFactory metrics)
    {
        _behind = metrics.CreateCounter(MetricNames.Behind,
            "How much later than the fastest the worker was done with its part, summed over the training steps that all workers of the plan have reported.", [MetricLabels.Worker]);
        _microBatches = metrics.CreateGauge(MetricNames.AssignedMicroBatches, "Micro-batches of the last step that were the worker's.", [MetricLabels.Worker]);
    }

    /// <summary>A worker has computed so many micro-batches of a step.</summary>
    public void Computed(string worker, int microBatches) => Of(worker).MicroBatches.Set(microBatches);

    /// <summary>A worker was so much later than the fastest.</summary>
    /// <param name="seconds">0 or more.</param>
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
