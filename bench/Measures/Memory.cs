using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// Peak resident memory of a worker and of the coordinator, against a plain loop with the work of one worker: 128 samples at once.
/// </summary>
internal static class Memory
{
    private const int WorkerBatch = 128, Workers = 2;
    private const double Mebibyte = 1 << 20;

    /// <summary>The models whose memory exceeds the runtime's.</summary>
    public static IReadOnlyList<Measure> All { get; } = [.. new[] { Workload.Cnn, Workload.Mlp }.Select(
        workload => new Measure($"memory {workload.Name}", conditions => RunAsync(workload, conditions)))];

    private static async Task<IReadOnlyList<Row>> RunAsync(Workload workload, Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        SyntheticImages.Write(folder["data"], workload.Steps * Workers * WorkerBatch);
        var run = new TrainingRun(workload.JobFile, Workers, Workers * WorkerBatch)
        {
            Data = folder["data"],
            Overrides = [$"micro-batches={Workers}", $"topology={conditions.Topology}"],
        };
        var loop = PlainLoop.Command(workload.JobFile, epochs: 1, WorkerBatch, folder["data"]);
        var peaks = await conditions.RepeatAsync($"memory {workload.Name}", async repetition =>
        {
            var product = await MeasureAsync(run.Command(folder[$"run-{repetition}"])).ConfigureAwait(false);
            var plain = await MeasureAsync(loop).ConfigureAwait(false);
            return (Worker: product.Children.Max() / Mebibyte, Coordinator: product.Self / Mebibyte, Plain: plain.Self / Mebibyte);
        }).ConfigureAwait(false);
        return
        [
            Row.OfPairs(
                $"memory {workload.Name}: worker against the plain TorchSharp loop, MiB",
                [.. peaks.Select(peak => new Pair(peak.Worker, peak.Plain))], Goal.RatioAtMost(1.3)),
            Row.OfOurs($"memory {workload.Name}: coordinator, MiB", peaks.Select(peak => peak.Coordinator), Goal.AtMost(200)),
        ];

        async Task<PeakMemory> MeasureAsync(ChildCommand command) =>
            (await ChildProcess.RunAsync(command, conditions.Stopping, withMemory: true).ConfigureAwait(false)).Memory!;
    }
}
