using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// What it costs a step that somebody reads the metrics: two workers, the mlp, the pages of all three processes every second
/// against none. Means and not medians, as a stall would be in few steps.
/// </summary>
internal static class ScrapeCost
{
    private const int Workers = 2, Batch = 128;
    private const double LimitRatio = 1.01;

    /// <summary>Ours is with a scraper; without stands where the peer does.</summary>
    public static Measure Mlp { get; } = new("scrape mlp", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var data = folder["data"];
        SyntheticImages.Write(data, Workload.Mlp.Steps * Batch);
        var pages = new List<int>();
        var pairs = await conditions.RepeatAsync("scrape mlp", async repetition =>
        {
            var withFirst = repetition % 2 == 0;
            var first = await StepAsync(withFirst).ConfigureAwait(false);
            var second = await StepAsync(!withFirst).ConfigureAwait(false);
            return withFirst ? new Pair(first, second) : new Pair(second, first);
        }).ConfigureAwait(false);
        return
        [
            Row.OfPairs("scrape mlp: mean step, all metrics read every second against never, ms", pairs, Goal.RatioAtMost(LimitRatio)),
            Row.OfOurs("scrape mlp: pages read in a run", pages.Select(count => (double)count)),
        ];

        async Task<double> StepAsync(bool isScraped)
        {
            var run = new TrainingRun(Workload.Mlp.JobFile, Workers, Batch)
            {
                Data = data,
                Overrides = [$"epochs={Workload.Mlp.Epochs}", $"topology={conditions.Topology}"],
                MetricsPort = Ports.Free(),
            };
            using var runs = new TemporaryFolder();
            var ended = ChildProcess.RunAsync(run.Command(runs["run"]), conditions.Stopping);
            if (isScraped) pages.Add(await Scraper.RunAsync(run.MetricsPort, ended, conditions.Stopping).ConfigureAwait(false));
            await ended.ConfigureAwait(false);
            double[] all = [.. History.Milliseconds(File.ReadAllLines(Path.Combine(runs["run"], "history.csv")), Batch)];
            return all[(all.Length / 2)..].Average();
        }
    }
}
