using System.Diagnostics;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// The cost of scraping metrics: two workers, the mlp. Within one run, seconds in which the pages of all three processes are read alternate
/// with seconds in which they are not: two runs, or distant parts of one, differ by more than the cost. Means rather than medians, since a
/// stall would affect few steps.
/// </summary>
internal static class ScrapeCost
{
    private const int Workers = 2, Batch = 128, PairsOfRun = 120, StepsBefore = 60, ReadsBefore = 150;
    private const double LimitRatio = 1.01;

    private static readonly TimeSpan _window = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _betweenReadsBefore = TimeSpan.FromMilliseconds(100);

    /// <summary>The seconds without a scraper take the place of the peer.</summary>
    public static Measure Mlp { get; } = new("scrape mlp", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var data = folder["data"];
        SyntheticImages.Write(data, Workload.Mlp.Steps * Batch);
        var runs = await conditions.RepeatAsync("scrape mlp", _ => PairsAsync(conditions, data)).ConfigureAwait(false);
        Pair[] pairs = [.. runs.SelectMany(pairs => pairs)];
        double[] ratios = [.. pairs.Select(pair => pair.Ours / pair.Peer!.Value)];
        var variance = ratios.Sum(ratio => Math.Pow(ratio - ratios.Average(), 2)) / (ratios.Length - 1);
        return
        [
            Row.OfPairs("scrape mlp: mean step, all metrics read in that second against not read, ms", pairs, Goal.RatioAtMost(LimitRatio)),
            Row.OfOurs("scrape mlp: pairs of seconds", [pairs.Length]),
            Row.OfOurs("scrape mlp: mean of their ratios", [ratios.Average()]),
            Row.OfOurs("scrape mlp: standard error of that", [Math.Sqrt(variance / ratios.Length)]),
        ];
    }

    private static async Task<IReadOnlyList<Pair>> PairsAsync(Conditions conditions, string data)
    {
        using var runs = new TemporaryFolder();
        var history = Path.Combine(runs["run"], "history.csv");
        var run = new TrainingRun(Workload.Mlp.JobFile, Workers, Batch)
        {
            Data = data,
            // The run is cancelled when all pairs are measured.
            Overrides = ["epochs=1000", $"topology={conditions.Topology}"],
            MetricsPort = Ports.Free(),
        };
        using var over = CancellationTokenSource.CreateLinkedTokenSource(conditions.Stopping);
        var training = ChildProcess.RunAsync(run.Command(runs["run"]), over.Token);
        try
        {
            while (Steps(history).Length < StepsBefore) await WaitAsync().ConfigureAwait(false);
            using var scraper = await Scraper.ConnectAsync(run.MetricsPort, over.Token).ConfigureAwait(false);
            // The first reads trigger tiered compilation beside the steps, a cost of the first minutes only.
            for (var i = 0; i < ReadsBefore; i++)
            {
                scraper.Read();
                await Task.Delay(_betweenReadsBefore, over.Token).ConfigureAwait(false);
            }
            var (clock, watch) = (new StepClock(), Stopwatch.StartNew());
            var windows = new List<TimeSpan>();
            for (var i = 0; i < 2 * PairsOfRun; i++)
            {
                var next = WaitAsync();
                windows.Add(watch.Elapsed);
                if (IsScraped(i)) scraper.Read();
                await next.ConfigureAwait(false);
                clock.Record(watch.Elapsed, Steps(history).Length);
            }
            // The last steps are written to the file with a delay.
            await WaitAsync().ConfigureAwait(false);
            var steps = Steps(history);
            double[] means = [.. windows.Select(begin => clock.Mean(steps, begin, begin + _window))];
            return [.. means.Chunk(2).Select((two, pair) => IsScraped(2 * pair) ? new Pair(two[0], two[1]) : new Pair(two[1], two[0]))];
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await training.ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
        }

        async Task WaitAsync()
        {
            await Task.WhenAny(training, Task.Delay(_window, over.Token)).ConfigureAwait(false);
            if (training.IsCompleted) await training.ConfigureAwait(false);
        }
    }

    /// <summary>With, without; without, with: the order alternates.</summary>
    private static bool IsScraped(int window) => window % 4 is 0 or 3;

    private static double[] Steps(string history) =>
        File.Exists(history) && File.ReadAllText(history).Split('\n')[..^1] is { Length: > 1 } lines
            ? [.. History.Milliseconds(lines, Batch)] : [];
}
