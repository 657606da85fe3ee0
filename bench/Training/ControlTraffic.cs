using System.Diagnostics;
using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>Messages between coordinator and workers in the steady part of a run.</summary>
/// <param name="Sent">Messages to workers.</param>
/// <param name="Received">Messages from workers.</param>
internal sealed record ControlTraffic(double Steps, double Seconds, double Sent, double Received)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs a job of so many steps and observes it from a quarter to three quarters of them.</summary>
    /// <exception cref="BenchException">The run failed, or ended before its metrics were read twice.</exception>
    public static async Task<ControlTraffic> OfAsync(TrainingRun run, int steps, CancellationToken stopping)
    {
        using var folder = new TemporaryFolder();
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var page = $"http://127.0.0.1:{Ports.Free()}/metrics";
        var ended = ChildProcess.RunAsync((run with { MetricsPort = new Uri(page).Port }).Command(folder["run"]), stopping);
        var seen = new List<(ControlCounts Counts, long Time)>();
        while (!ended.IsCompleted)
        {
            var counts = await ReadAsync(client, page, stopping).ConfigureAwait(false);
            if (counts?.Steps >= 0.25 * steps && counts.Steps <= 0.75 * steps) seen.Add((counts, Stopwatch.GetTimestamp()));
            await Task.WhenAny(ended, Task.Delay(_interval, stopping)).ConfigureAwait(false);
        }
        await ended.ConfigureAwait(false);
        if (seen.Count == 0 || seen[^1].Counts.Steps == seen[0].Counts.Steps)
            throw new BenchException($"the run of {steps} steps was over before its metrics could be read twice");
        var (first, last) = (seen[0], seen[^1]);
        return new(last.Counts.Steps - first.Counts.Steps, Stopwatch.GetElapsedTime(first.Time, last.Time).TotalSeconds,
            last.Counts.Sent - first.Counts.Sent, last.Counts.Received - first.Counts.Received);
    }

    /// <returns>Null while the coordinator does not listen.</returns>
    private static async Task<ControlCounts?> ReadAsync(HttpClient client, string page, CancellationToken stopping)
    {
        try
        {
            return ControlCounts.Of(await client.GetStringAsync(page, stopping).ConfigureAwait(false));
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
