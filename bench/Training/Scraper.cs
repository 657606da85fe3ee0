using System.Text.Json.Nodes;

namespace Distributed.Bench.Training;

/// <summary>Reads the metrics of a coordinator and its workers every second, as Prometheus does.</summary>
internal static class Scraper
{
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(1);

    /// <summary>Reads until the run ends.</summary>
    /// <param name="port">Of the coordinator's metrics.</param>
    /// <param name="ended">Completes with the run.</param>
    /// <param name="stopping">Ends it.</param>
    /// <returns>Pages read.</returns>
    public static async Task<int> RunAsync(int port, Task ended, CancellationToken stopping)
    {
        using var client = new HttpClient();
        using var timer = new PeriodicTimer(_interval);
        var pages = 0;
        while (!ended.IsCompleted && await timer.WaitForNextTickAsync(stopping).ConfigureAwait(false))
        {
            if (await ReadAsync(client, $"http://127.0.0.1:{port}/targets", stopping).ConfigureAwait(false) is not { } targets) continue;
            foreach (var target in JsonNode.Parse(targets)!.AsArray().SelectMany(group => group!["targets"]!.AsArray()))
                if (await ReadAsync(client, $"http://{target}/metrics", stopping).ConfigureAwait(false) is not null) pages++;
        }
        return pages;
    }

    /// <returns>Null before the process listens, and after it has ended.</returns>
    private static async Task<string?> ReadAsync(HttpClient client, string page, CancellationToken stopping)
    {
        try
        {
            return await client.GetStringAsync(page, stopping).ConfigureAwait(false);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
