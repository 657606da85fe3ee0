using System.Text.Json.Nodes;
using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>Reads the metrics of a coordinator and its workers, as Prometheus does.</summary>
/// <param name="port">Of the coordinator's metrics.</param>
internal sealed class Scraper(int port) : IDisposable
{
    private readonly HttpClient _client = new();

    /// <summary>Reads every page once.</summary>
    /// <exception cref="BenchException">One cannot be read.</exception>
    public async Task ReadAsync(CancellationToken stopping)
    {
        try
        {
            var targets = await _client.GetStringAsync($"http://127.0.0.1:{port}/targets", stopping).ConfigureAwait(false);
            foreach (var target in JsonNode.Parse(targets)!.AsArray().SelectMany(group => group!["targets"]!.AsArray()))
                await _client.GetStringAsync($"http://{target}/metrics", stopping).ConfigureAwait(false);
        }
        catch (HttpRequestException error)
        {
            throw new BenchException($"a page of metrics cannot be read: {error.Message}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();
}
