using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>What the same bits cost: strict against relaxed, two workers, a global batch of 64 in 8 micro-batches.</summary>
internal static class Determinism
{
    private const int Batch = 64;

    /// <summary>Ours is strict; relaxed stands where the peer does.</summary>
    public static Measure Relaxed { get; } = new("determinism cnn", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        SyntheticImages.Write(folder["data"], Workload.Cnn.Steps * Batch);
        var pairs = await conditions.RepeatAsync("determinism cnn", async repetition =>
        {
            var first = await MillisecondsAsync(repetition % 2 == 0 ? "strict" : "relaxed").ConfigureAwait(false);
            var second = await MillisecondsAsync(repetition % 2 == 0 ? "relaxed" : "strict").ConfigureAwait(false);
            return repetition % 2 == 0 ? new Pair(first, second) : new Pair(second, first);
        }).ConfigureAwait(false);
        return [Row.OfPairs("determinism cnn: step, strict against relaxed, ms", pairs, Goal.RatioAtMost(1.15))];

        async Task<double> MillisecondsAsync(string determinism)
        {
            var run = new TrainingRun(Workload.Cnn.JobFile, Workers: 2, Batch)
            {
                Data = folder["data"],
                Overrides = ["micro-batches=8", $"epochs={Workload.Cnn.Epochs}", $"determinism={determinism}", $"topology={conditions.Topology}"],
            };
            return (await TrainingRun.StepMillisecondsAsync(run, 1, conditions.Stopping).ConfigureAwait(false))[0];
        }
    }
}
