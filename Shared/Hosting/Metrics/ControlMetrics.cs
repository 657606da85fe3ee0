using System.Collections.Frozen;
using Distributed.Hosting.Messages;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>
/// The messages of the protocol that leave and reach a process: <see cref="IControlMessage"/>, not what the cluster itself says,
/// such as heartbeats. What stays within the process is not counted. Safe from every thread.
/// </summary>
internal sealed class ControlMetrics
{
    private readonly FrozenDictionary<string, Counter.Child> _sent;
    private readonly FrozenDictionary<string, Counter.Child> _received;
    private readonly Counter.Child _unknown;
    private readonly Counter.Child _malformed;
    private readonly Counter.Child _oversize;
    private readonly Counter _repeated;
    private readonly FrozenDictionary<Refusal, Counter.Child> _refused;
    private readonly Gauge _certificateExpires;

    internal ControlMetrics(MetricFactory metrics)
    {
        var messages = metrics.CreateCounter(MetricNames.ControlMessages,
            "Messages between coordinator and workers, without heartbeats of the cluster.", [MetricLabels.Direction, MetricLabels.Message]);
        (_sent, _received) = (Of(MetricLabels.Sent), Of(MetricLabels.Received));
        var refused = metrics.CreateCounter(MetricNames.RefusedMessages,
            "Messages refused: of an unknown kind, malformed, or too large to be sent. No correct process has any.", [MetricLabels.Reason]);
        (_unknown, _malformed, _oversize) = (refused.WithLabels(MetricLabels.Unknown), refused.WithLabels(MetricLabels.Malformed), refused.WithLabels(MetricLabels.Oversize));
        _repeated = metrics.CreateCounter(MetricNames.RepeatedMessages,
            "Messages between coordinator and workers sent again, since the other end had not heard them: a control connection broke, or the other end stood still.");
        _refused = SharedMetrics.RefusedConnections(metrics, MetricLabels.Control);
        _certificateExpires = metrics.CreateGauge(MetricNames.CertificateExpires,
            "When the first certificate that the process uses expires, on either plane and up to the authority, in seconds since 1970; absent without certificates.", new GaugeConfiguration { SuppressInitialValue = true });

        FrozenDictionary<string, Counter.Child> Of(string direction) =>
            MessageCodec.Messages.ToFrozenDictionary(type => type.Name, type => messages.WithLabels(direction, type.Name), StringComparer.Ordinal);
    }

    public void ConnectionRefused(Refusal reason) => _refused[reason].Inc();

    /// <summary>The first of the certificates in use expires then.</summary>
    public void CertificateExpires(DateTimeOffset at) => _certificateExpires.Set(at.ToUnixTimeSeconds());

    public void Sent(string message) => _sent[message].Inc();

    public void UnknownRefused() => _unknown.Inc();

    /// <summary>What came is not what its contract says.</summary>
    public void MalformedRefused() => _malformed.Inc();

    /// <summary>What was to be sent is larger than a message may be.</summary>
    public void OversizeRefused() => _oversize.Inc();

    /// <summary>So many messages are sent again.</summary>
    public void Repeated(long messages) => _repeated.Inc(messages);

    public void Received(string message) => _received[message].Inc();
}
