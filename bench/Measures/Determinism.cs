using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// The cost of the same bits: strict against relaxed, two workers, a global batch of 64 in 8 micro-batches. For comparison, two plain
/// loops, 32 samples in four passes against one: the cost of smaller kernels in libtorch itself.
/// </summary>
internal static class Determinism
{
    private const int Batch = 64, MicroBatches = 8, Workers = 2;

    /// <summary>The relaxed runs take the place of the peer.</summary>
    public static Measure Relaxed { get; } = new("determinism cnn", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var (shared, own) = (folder["shared"], folder["own"]);
        SyntheticImages.Write(shared, Workload.Cnn.Steps * Batch);
        SyntheticImages.Write(own, Workload.Cnn.Steps * Batch / Workers);
        var pairs = await conditions.RepeatAsync("determinism cnn", async repetition =>
        {
            var strictFirst = repetition % 2 == 0;
            return (
                Product: await InTurnAsync(strictFirst, strict => ProductAsync(strict ? "strict" : "relaxed")).ConfigureAwait(false),
                Plain: await InTurnAsync(strictFirst, strict => PlainAsync(strict ? MicroBatches / Workers : 1)).ConfigureAwait(false));
        }).ConfigureAwait(false);
        return
        [
            Row.OfPairs(
                "determinism cnn: step, strict against relaxed, ms", [.. pairs.Select(pair => pair.Product)], Goal.RatioAtMost(1.15)),
            Row.OfPairs("determinism cnn: plain TorchSharp loop, 4 passes against 1, ms", [.. pairs.Select(pair => pair.Plain)]),
        ];

        async Task<double> PlainAsync(int passes)
        {
            var command = PlainLoop.Command(Workload.Cnn.JobFile, Workload.Cnn.Epochs, Batch / Workers, own, passes);
            var loops = await ChildProcess.RunTogetherAsync([command, command], conditions.Stopping).ConfigureAwait(false);
            return Median.Of(loops.Select(PlainLoop.Milliseconds));
        }

        async Task<double> ProductAsync(string determinism)
        {
            var run = new TrainingRun(Workload.Cnn.JobFile, Workers, Batch)
            {
                Data = shared,
                Overrides =
                [
                    $"micro-batches={MicroBatches}", $"epochs={Workload.Cnn.Epochs}", $"determinism={determinism}",
                    $"topology={conditions.Topology}",
                ],
            };
            return (await TrainingRun.StepMillisecondsAsync(run, 1, conditions.Stopping).ConfigureAwait(false))[0];
        }
    }

    private static async Task<Pair> InTurnAsync(bool strictFirst, Func<bool, Task<double>> measure)
    {
        var first = await measure(strictFirst).ConfigureAwait(false);
        var second = await measure(!strictFirst).ConfigureAwait(false);
        return strictFirst ? new(first, second) : new(second, first);
    }
}
