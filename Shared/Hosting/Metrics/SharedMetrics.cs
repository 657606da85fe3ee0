using System.Collections.Frozen;
using System.Diagnostics;
using System.Globalization;
using Distributed.Hosting.Messages;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Prometheus;

namespace Distributed.Hosting.Metrics;

internal static class SharedMetrics
{
    private static readonly GaugeConfiguration _absentUntilSet = new() { SuppressInitialValue = true };

    /// <summary>A gauge that is absent until its first value is known.</summary>
    public static Gauge CreateLateGauge(this MetricFactory metrics, string name, string help) =>
        metrics.CreateGauge(name, help, _absentUntilSet);

    public static Gauge Generation(MetricFactory metrics) =>
        metrics.CreateGauge(MetricNames.Generation, "The newest generation that the process knows; 0 before the first.");

    public static FrozenDictionary<Refusal, Counter.Child> RefusedConnections(MetricFactory metrics, string plane)
    {
        var refused = metrics.CreateCounter(MetricNames.RefusedConnections,
            "Connections refused: those of others to this process, and its own to peers that did not prove their identity.",
            [MetricLabels.Plane, MetricLabels.Reason]);
        return Enum.GetValues<Refusal>().ToFrozenDictionary(
            refusal => refusal, refusal => refused.WithLabels(plane, $"{refusal}".ToLowerInvariant()));
    }
}

/// <summary>The usual metrics of a .NET process, under the names in prometheus-net's DotNetStats. That class takes 4 ms of processor time
/// for each scrape, since it looks through all threads and handles; this one takes hardly any.</summary>
internal static class ProcessMetrics
{
    public static void Register(CollectorRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        var metrics = Prometheus.Metrics.WithCustomRegistry(registry);
        var cpu = metrics.CreateCounter("process_cpu_seconds_total", "Processor time, of the user and of the system.");
        var workingSet = metrics.CreateGauge("process_working_set_bytes", "Memory of the process that is in RAM.");
        var heap = metrics.CreateGauge("dotnet_total_memory_bytes", "Memory of the managed heap that is allocated.");
        var collections = metrics.CreateCounter("dotnet_collection_count_total", "Garbage collections.", ["generation"]);
        var generations = Enumerable.Range(0, GC.MaxGeneration + 1)
            .Select(generation => collections.WithLabels(generation.ToString(CultureInfo.InvariantCulture))).ToArray();
        var started = metrics.CreateGauge("process_start_time_seconds", "When the process was started, in seconds since 1970.");
        using (var process = Process.GetCurrentProcess())
            started.Set(new DateTimeOffset(process.StartTime).ToUnixTimeMilliseconds() / 1000.0);
        registry.AddBeforeCollectCallback(() =>
        {
            cpu.IncTo(Environment.CpuUsage.TotalTime.TotalSeconds);
            workingSet.Set(Environment.WorkingSet);
            heap.Set(GC.GetTotalMemory(forceFullCollection: false));
            for (var generation = 0; generation < generations.Length; generation++)
                generations[generation].IncTo(GC.CollectionCount(generation));
        });
    }
}

/// <summary>The messages between coordinator and workers that leave and reach a process: <see cref="IControlMessage"/>, without the
/// cluster's own ones, such as heartbeats, and without those that stay within the process. Safe from every thread.</summary>
internal sealed class ControlMetrics(MetricFactory metrics)
{
    private readonly FrozenDictionary<string, Counter.Child> _sent = Messages(metrics, MetricLabels.Sent);
    private readonly FrozenDictionary<string, Counter.Child> _received = Messages(metrics, MetricLabels.Received);
    private readonly Counter.Child _unknown = Refused(metrics, MetricLabels.Unknown);
    private readonly Counter.Child _malformed = Refused(metrics, MetricLabels.Malformed);
    private readonly Counter.Child _oversize = Refused(metrics, MetricLabels.Oversize);
    private readonly Counter _repeated = metrics.CreateCounter(MetricNames.RepeatedMessages,
        "Messages between coordinator and workers sent again because the other end had not acknowledged them: "
        + "a control connection broke, or the other end was suspended.");
    private readonly FrozenDictionary<Refusal, Counter.Child> _refused = SharedMetrics.RefusedConnections(metrics, MetricLabels.Control);
    private readonly Gauge _certificateExpires = metrics.CreateLateGauge(MetricNames.CertificateExpires,
        "When the first certificate that the process uses expires, on either plane and up to the authority, "
        + "in seconds since 1970; absent without certificates.");

    public void CertificateExpires(DateTimeOffset at) => _certificateExpires.Set(at.ToUnixTimeSeconds());
    public void ConnectionRefused(Refusal reason) => _refused[reason].Inc();
    public void UnknownRefused() => _unknown.Inc();
    public void MalformedRefused() => _malformed.Inc();
    public void OversizeRefused() => _oversize.Inc();
    public void Sent(string message) => _sent[message].Inc();
    public void Received(string message) => _received[message].Inc();
    public void Repeated(long messages) => _repeated.Inc(messages);

    private static FrozenDictionary<string, Counter.Child> Messages(MetricFactory metrics, string direction)
    {
        var messages = metrics.CreateCounter(MetricNames.ControlMessages,
            "Messages between coordinator and workers, without heartbeats of the cluster.", [MetricLabels.Direction, MetricLabels.Message]);
        return MessageCodec.Messages.ToFrozenDictionary(
            type => type.Name, type => messages.WithLabels(direction, type.Name), StringComparer.Ordinal);
    }

    private static Counter.Child Refused(MetricFactory metrics, string reason) => metrics.CreateCounter(MetricNames.RefusedMessages,
        "Messages refused: of an unknown kind, malformed, or too large to be sent. Correct processes cause no refusals.",
        [MetricLabels.Reason]).WithLabels(reason);
}

/// <summary>The tensor links of a process. Safe from every thread.</summary>
internal sealed class LinkMetrics(MetricFactory metrics) : ILinkMetrics
{
    private readonly Counter.Child _stale = Frames(metrics, MetricLabels.Stale);
    private readonly Counter.Child _violation = Frames(metrics, MetricLabels.Violation);
    private readonly Counter.Child _sent = Bytes(metrics, MetricLabels.Sent);
    private readonly Counter.Child _received = Bytes(metrics, MetricLabels.Received);
    private readonly Counter _resent = metrics.CreateCounter(MetricNames.ResentFrames,
        "Sums that a worker sends again under a newer generation, of a round that is started again.");
    private readonly FrozenDictionary<Refusal, Counter.Child> _refused = SharedMetrics.RefusedConnections(metrics, MetricLabels.Links);

    public void ConnectionRefused(Refusal reason) => _refused[reason].Inc();
    public void Stale() => _stale.Inc();
    public void Violation() => _violation.Inc();
    public void Resent(int frames) => _resent.Inc(frames);
    public void Sent(long bytes) => _sent.Inc(bytes);
    public void Received(long bytes) => _received.Inc(bytes);

    private static Counter.Child Frames(MetricFactory metrics, string reason) => metrics.CreateCounter(MetricNames.RefusedFrames,
        "Frames refused on tensor links: stale ones belong to the past, violations are never sent by a correct peer.",
        [MetricLabels.Reason]).WithLabels(reason);

    private static Counter.Child Bytes(MetricFactory metrics, string direction) => metrics.CreateCounter(MetricNames.LinkBytes,
        "Bytes on tensor links, frame headers included.", [MetricLabels.Direction]).WithLabels(direction);
}

/// <summary>The refusals of the status servers of a process. Safe from every thread.</summary>
internal sealed class HttpMetrics(MetricFactory metrics)
{
    private readonly FrozenDictionary<Refusal, Counter.Child> _connections = SharedMetrics.RefusedConnections(metrics, MetricLabels.Http);
    private readonly Counter.Child _host = Requests(metrics, MetricLabels.Host);
    private readonly Counter.Child _token = Requests(metrics, MetricLabels.Token);

    public void ConnectionRefused(Refusal reason) => _connections[reason].Inc();
    public void NameRefused() => _host.Inc();
    public void ReaderRefused() => _token.Inc();

    private static Counter.Child Requests(MetricFactory metrics, string reason) => metrics.CreateCounter(MetricNames.RefusedRequests,
        "Requests to the page, metrics and probes that were refused: under a host name that the process does not have, "
        + "or without the token of the page.", [MetricLabels.Reason]).WithLabels(reason);
}
