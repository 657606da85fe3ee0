using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// What distribution adds to a step: two workers of one thread and 64 samples each train together, then each for itself, both at
/// the same time. Beside the latter, the plain loop under the same conditions.
/// </summary>
internal static class StepCost
{
    /// <summary>For each model.</summary>
    public static IReadOnlyList<Measure> All { get; } = [.. Workload.All.Select(workload => new Measure($"step {workload.Name}", conditions => RunAsync(workload, conditions)))];

    private static async Task<IReadOnlyList<Row>> RunAsync(Workload workload, Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var (shared, own) = (folder["shared"], folder["own"]);
        SyntheticImages.Write(shared, workload.Steps * 2 * Workload.WorkerBatch);
        SyntheticImages.Write(own, workload.Steps * Workload.WorkerBatch);
        var (topology, epochs) = ($"topology={conditions.Topology}", $"epochs={workload.Epochs}");
        var together = new TrainingRun(workload.JobFile, Workers: 2, 2 * Workload.WorkerBatch) { Data = shared, Overrides = ["micro-batches=2", epochs, topology] };
        var alone = new TrainingRun(workload.JobFile, Workers: 1, Workload.WorkerBatch) { Data = own, Overrides = ["micro-batches=1", epochs, topology] };

        var results = await conditions.RepeatAsync($"step {workload.Name}",
            async () => new OurStep(
                (await TrainingRun.StepMillisecondsAsync(together, 1, conditions.Stopping).ConfigureAwait(false))[0],
                Median.Of(await TrainingRun.StepMillisecondsAsync(alone, 2, conditions.Stopping).ConfigureAwait(false)),
                await PlainAsync(workload, own, conditions.Stopping).ConfigureAwait(false)),
            async peer => (PeerStep?)await peer.StepAsync(workload.Name, Workload.WorkerBatch, conditions.Stopping).ConfigureAwait(false)).ConfigureAwait(false);

        Row[] rows =
        [
            Row.OfDifferences($"step {workload.Name}: added by distribution, ms",
                [.. results.Select(r => new Pair(r.Ours.Together - r.Ours.Alone, r.Peer?.Added))], Goal.RatioAtMost(0.25)),
            Row.OfDifferences($"step {workload.Name}: added over the plain TorchSharp loop, ms", [.. results.Select(r => new Pair(r.Ours.Together - r.Ours.Plain, r.Peer?.Added))]),
            Row.OfPairs($"step {workload.Name}: distributed, ms", [.. results.Select(r => new Pair(r.Ours.Together, r.Peer?.Together))]),
            Row.OfPairs($"step {workload.Name}: alone, ms", [.. results.Select(r => new Pair(r.Ours.Alone, r.Peer?.Alone))]),
            Row.OfPairs($"step {workload.Name}: alone against the plain TorchSharp loop, ms", [.. results.Select(r => new Pair(r.Ours.Alone, r.Ours.Plain))]),
            Row.OfPairs($"step {workload.Name}: weak-scaling efficiency",
                [.. results.Select(r => new Pair(r.Ours.Alone / r.Ours.Together, r.Peer?.Alone / r.Peer?.Together))],
                workload == Workload.Cnn ? Goal.AtLeast(0.97) : null),
        ];
        return rows;
    }

    private static async Task<double> PlainAsync(Workload workload, string data, CancellationToken stopping)
    {
        var command = PlainLoop.Command(workload.JobFile, workload.Epochs, Workload.WorkerBatch, data);
        return Median.Of((await ChildProcess.RunTogetherAsync([command, command], stopping).ConfigureAwait(false)).Select(PlainLoop.Milliseconds));
    }

    /// <summary>A step of ours, in milliseconds.</summary>
    private sealed record OurStep(double Together, double Alone, double Plain);
}
