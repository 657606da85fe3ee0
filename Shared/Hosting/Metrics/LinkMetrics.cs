using System.Collections.Frozen;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>What a process sees of its tensor links, all taken together. Safe from every thread.</summary>
internal sealed class LinkMetrics : ILinkMetrics
{
    private readonly Counter.Child _stale;
    private readonly Counter.Child _violation;
    private readonly Counter.Child _sent;
    private readonly Counter.Child _received;
    private readonly Counter _resent;
    private readonly FrozenDictionary<Refusal, Counter.Child> _refused;

    internal LinkMetrics(MetricFactory metrics)
    {
        var refused = metrics.CreateCounter(MetricNames.RefusedFrames,
            "Frames refused on tensor links: stale ones belong to the past, violations no correct peer sends.", [MetricLabels.Reason]);
        (_stale, _violation) = (refused.WithLabels(MetricLabels.Stale), refused.WithLabels(MetricLabels.Violation));
        var bytes = metrics.CreateCounter(MetricNames.LinkBytes, "Bytes on tensor links, frame headers included.", [MetricLabels.Direction]);
        (_sent, _received) = (bytes.WithLabels(MetricLabels.Sent), bytes.WithLabels(MetricLabels.Received));
        _resent = metrics.CreateCounter(MetricNames.ResentFrames,
            "Sums that a worker sends once more under a newer generation, of a round that is taken up anew.");
        _refused = SharedMetrics.RefusedConnections(metrics, MetricLabels.Links);
    }

    /// <summary>A connection did not become a link.</summary>
    public void ConnectionRefused(Refusal reason) => _refused[reason].Inc();

    public void Stale() => _stale.Inc();

    public void Violation() => _violation.Inc();

    /// <summary>So many frames are sent once more.</summary>
    /// <param name="frames">0 or more.</param>
    public void Resent(int frames) => _resent.Inc(frames);

    /// <summary>So many more bytes have been sent.</summary>
    /// <param name="bytes">0 or more, headers included; not a running total.</param>
    public void Sent(long bytes) => _sent.Inc(bytes);

    /// <summary>So many more bytes have been received.</summary>
    /// <param name="bytes">0 or more, headers included; not a running total.</param>
    public void Received(long bytes) => _received.Inc(bytes);
}
