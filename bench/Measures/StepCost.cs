using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// The cost of distribution: two workers of one thread and 64 samples each train together, then each on its own at the same time. For
/// comparison with the latter, the plain loop under the same conditions.
/// </summary>
internal static class StepCost
{
    public static IReadOnlyList<Measure> All { get; } = [.. Workload.All.Select(
        workload => new Measure($"step {workload.Name}", conditions => RunAsync(workload, conditions)))];

    private static async Task<IReadOnlyList<Row>> RunAsync(Workload workload, Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var (shared, own) = (folder["shared"], folder["own"]);
        SyntheticImages.Write(shared, workload.Steps * 2 * Workload.WorkerBatch);
        SyntheticImages.Write(own, workload.Steps * Workload.WorkerBatch);
        var (topology, epochs, stopping) = ($"topology={conditions.Topology}", $"epochs={workload.Epochs}", conditions.Stopping);
        var together = new TrainingRun(workload.JobFile, Workers: 2, 2 * Workload.WorkerBatch)
        {
            Data = shared,
            Overrides = ["micro-batches=2", epochs, topology],
        };
        var alone = new TrainingRun(workload.JobFile, Workers: 1, Workload.WorkerBatch)
        {
            Data = own,
            Overrides = ["micro-batches=1", epochs, topology],
        };
        var name = $"step {workload.Name}";
        var results = await conditions.RepeatAsync(name,
            async () => new OurStep(
                (await TrainingRun.StepMillisecondsAsync(together, 1, stopping).ConfigureAwait(false))[0],
                Median.Of(await TrainingRun.StepMillisecondsAsync(alone, 2, stopping).ConfigureAwait(false)),
                await PlainAsync(workload, own, stopping).ConfigureAwait(false)),
            async peer => (PeerStep?)await peer.StepAsync(workload.Name, Workload.WorkerBatch, stopping).ConfigureAwait(false))
            .ConfigureAwait(false);
        return
        [
            Row.OfDifferences($"{name}: added by distribution, ms",
                [.. results.Select(r => new Pair(r.Ours.Together - r.Ours.Alone, r.Peer?.Added))], Goal.RatioAtMost(0.25)),
            Row.OfDifferences($"{name}: added over the plain TorchSharp loop, ms",
                [.. results.Select(r => new Pair(r.Ours.Together - r.Ours.Plain, r.Peer?.Added))]),
            Row.OfPairs($"{name}: distributed, ms", [.. results.Select(r => new Pair(r.Ours.Together, r.Peer?.Together))]),
            Row.OfPairs($"{name}: alone, ms", [.. results.Select(r => new Pair(r.Ours.Alone, r.Peer?.Alone))]),
            Row.OfPairs($"{name}: alone against the plain TorchSharp loop, ms",
                [.. results.Select(r => new Pair(r.Ours.Alone, r.Ours.Plain))]),
            Row.OfPairs($"{name}: weak-scaling efficiency",
                [.. results.Select(r => new Pair(r.Ours.Alone / r.Ours.Together, r.Peer?.Alone / r.Peer?.Together))],
                workload == Workload.Cnn ? Goal.AtLeast(0.97) : null),
        ];
    }

    private static async Task<double> PlainAsync(Workload workload, string data, CancellationToken stopping)
    {
        var command = PlainLoop.Command(workload.JobFile, workload.Epochs, Workload.WorkerBatch, data);
        var loops = await ChildProcess.RunTogetherAsync([command, command], stopping).ConfigureAwait(false);
        return Median.Of(loops.Select(PlainLoop.Milliseconds));
    }

    /// <summary>Milliseconds of a step.</summary>
    private sealed record OurStep(double Together, double Alone, double Plain);
}
