using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

public sealed class SameBitsTests
{
    private const string Main = "cnn with momentum";

    private static readonly string[] _others =
        ["adamw with an uneven batch", "adam with a stepped rate", "empty micro-batches", "random search", "made images"];

    /// <summary>
    /// One kind on any number of workers, others on three, which cannot share the micro-batches evenly. The worker's tests train every kind
    /// on replicas in one process; thorough runs train all kinds on any number of processes too.
    /// </summary>
    public static TheoryData<string, int> Cases()
    {
        var cases = new TheoryData<string, int>();
        foreach (var kind in SmallJobs.Kinds.Keys)
            for (var workers = 1; workers <= 4; workers++)
                if (kind == Main || Effort.IsThorough || (workers == 3 && _others.Contains(kind))) cases.Add(kind, workers);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Any_number_of_workers_trains_the_bits_of_a_plain_loop(string kind, int workers)
    {
        var job = SmallJobs.Kinds[kind];
        using var run = TrainingRun.Start(job, "--workers", $"{workers}");
        await run.Coordinator.EndsWithAsync(0);
        SameBits.Require(job, run);
        Assert.Equal((workers, 1), (run.Report.Workers, run.Report.GenerationsByWorkers));
        Assert.Empty(run.Coordinator.Errors);
    }
}
