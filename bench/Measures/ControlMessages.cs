using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// Messages between coordinator and workers in steady training. A plan is a lease, so the coordinator sends nothing, and workers report
/// by time rather than by step. The tiny model has the most steps a second.
/// </summary>
internal static class ControlMessages
{
    private const int Workers = 2;
    private const double ReportsPerSecond = 5;

    public static Measure Tiny { get; } = new("control tiny", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        var workload = Workload.Tiny;
        using var folder = new TemporaryFolder();
        SyntheticImages.Write(folder["data"], workload.Steps * Workers * Workload.WorkerBatch);
        var run = new TrainingRun(workload.JobFile, Workers, Workers * Workload.WorkerBatch)
        {
            Data = folder["data"],
            Overrides = [$"micro-batches={Workers}", $"epochs={workload.Epochs}", $"topology={conditions.Topology}"],
        };
        var steps = workload.Steps * workload.Epochs;
        var traffic = await conditions
            .RepeatAsync("control tiny", _ => ControlTraffic.OfAsync(run, steps, conditions.Stopping)).ConfigureAwait(false);
        return
        [
            Row.OfOurs("control tiny: messages of the coordinator, a steady step", traffic.Select(t => t.Sent / t.Steps), Goal.AtMost(0)),
            Row.OfOurs("control tiny: messages of the workers, a steady step", traffic.Select(t => t.Received / t.Steps)),
            Row.OfOurs(
                "control tiny: messages of a worker, a second", traffic.Select(t => t.Received / Workers / t.Seconds),
                Goal.AtMost(ReportsPerSecond)),
        ];
    }
}
