using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Cluster;

// The addresses of the coordinator's and its workers' metrics for Prometheus
// (https://prometheus.io/docs/prometheus/latest/http_sd/). Safe on every thread.
internal sealed class ScrapeTargets
{
    public const string Path = "/targets";

    private ImmutableSortedDictionary<string, LinkEndpoint> _workers =
        ImmutableSortedDictionary.Create<string, LinkEndpoint>(StringComparer.Ordinal);

    public void Add(string worker, LinkEndpoint endpoint)
    {
        if (endpoint.IsValid && Uri.CheckHostName(endpoint.Host) != UriHostNameType.Unknown)
            ImmutableInterlocked.Update(ref _workers, workers => workers.SetItem(worker, endpoint));
    }

    public void Remove(string worker) => ImmutableInterlocked.Update(ref _workers, workers => workers.Remove(worker));

    public byte[] ToJson(LinkEndpoint coordinator) => JsonSerializer.SerializeToUtf8Bytes(
        _workers.Select(worker => GroupOf(worker.Value, new() { [MetricLabels.Worker] = worker.Key })).Prepend(GroupOf(coordinator, [])));

    public Task AnswerAsync(HttpContext context)
    {
        var here = context.Connection;
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(ToJson(new($"{here.LocalIpAddress}", here.LocalPort)), context.RequestAborted).AsTask();
    }

    private static Dictionary<string, object> GroupOf(LinkEndpoint endpoint, Dictionary<string, string> labels) =>
        new() { ["targets"] = new[] { TextOf(endpoint) }, ["labels"] = labels };

    private static string TextOf(LinkEndpoint endpoint) =>
        IPAddress.TryParse(endpoint.Host, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? $"[{address}]:{endpoint.Port}" : $"{endpoint}";
}
