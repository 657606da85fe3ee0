using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// The cost of checkpoints: two workers, the mlp (5.8 M parameters, a state of 23 MB), a checkpoint every 20 steps against none. Means
/// rather than medians, since a stall would affect few steps.
/// </summary>
internal static class CheckpointCost
{
    private const int Workers = 2, Batch = 128, EverySteps = 20;
    private const double LimitRatio = 1.1;

    /// <summary>The runs without checkpoints take the place of the peer.</summary>
    public static Measure Mlp { get; } = new("checkpoint mlp", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var data = folder["data"];
        SyntheticImages.Write(data, Workload.Mlp.Steps * Batch);
        var pairs = await conditions.RepeatInTurnAsync("checkpoint mlp", StepsAsync).ConfigureAwait(false);
        return
        [
            Row.OfPairs(
                $"checkpoint mlp: mean step, one every {EverySteps} steps against none, ms",
                [.. pairs.Select(pair => new Pair(pair.With.Average(), pair.Without.Average()))], Goal.RatioAtMost(LimitRatio)),
            Row.OfPairs("checkpoint mlp: the longest step, ms", [.. pairs.Select(pair => new Pair(pair.With.Max(), pair.Without.Max()))]),
        ];

        async Task<double[]> StepsAsync(bool isSaving)
        {
            var run = new TrainingRun(Workload.Mlp.JobFile, Workers, Batch)
            {
                Data = data,
                Overrides =
                [
                    $"epochs={Workload.Mlp.Epochs}", $"checkpoint.every-steps={(isSaving ? EverySteps : 0)}",
                    $"topology={conditions.Topology}",
                ],
            };
            using var runs = new TemporaryFolder();
            await ChildProcess.RunTogetherAsync([run.Command(runs["run"])], conditions.Stopping).ConfigureAwait(false);
            double[] all = [.. History.Milliseconds(File.ReadAllLines(Path.Combine(runs["run"], "history.csv")), Batch)];
            return all[(all.Length / 2)..];
        }
    }
}
