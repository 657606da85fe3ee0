using System.Collections.Frozen;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>What the status servers of a process refuse, all taken together. Safe from every thread.</summary>
internal sealed class HttpMetrics
{
    private readonly FrozenDictionary<Refusal, Counter.Child> _connections;
    private readonly Counter.Child _host;
    private readonly Counter.Child _token;

    /// <summary>Exports them; several of one registry count together.</summary>
    public HttpMetrics(CollectorRegistry registry)
    {
        var metrics = Prometheus.Metrics.WithCustomRegistry(registry);
        _connections = SharedMetrics.RefusedConnections(metrics, MetricLabels.Http);
        var requests = metrics.CreateCounter(MetricNames.RefusedRequests,
            "Requests to the page, metrics and probes that were refused: under a name that is none of the process's, or without the token of the page.", [MetricLabels.Reason]);
        (_host, _token) = (requests.WithLabels(MetricLabels.Host), requests.WithLabels(MetricLabels.Token));
    }

    public void ConnectionRefused(Refusal reason) => _connections[reason].Inc();

    /// <summary>A request came under a name that is none of the process's.</summary>
    public void NameRefused() => _host.Inc();

    /// <summary>A request came without the token of the page.</summary>
    public void ReaderRefused() => _token.Inc();
}
