using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>
/// Jobs whose bits may depend on the number of workers. The coordinator checks after every round that the replicas agree, so a run that
/// ends well had no difference.
/// </summary>
public sealed partial class InexactJobTests
{
    [Theory]
    [InlineData("bf16", "strict", "mesh")]
    [InlineData("bf16", "strict", "star")]
    [InlineData("float32", "relaxed", "mesh")]
    public async Task Replicas_agree_and_learn_as_much(string wire, string determinism, string topology)
    {
        using var run = TrainingRun.Start(
            SmallJobs.Long with { Wire = wire, Determinism = determinism, Topology = topology }, "--workers", "2");
        await run.Coordinator.EndsWithAsync(0);
        Assert.Empty(run.Coordinator.Errors);
        Assert.Equal((2, 1), (run.Report.Workers, run.Report.GenerationsByWorkers));
        var exact = ReferenceLoop.Train(SmallJobs.Long);
        Assert.NotEqual(exact.Model, run.Model);
        Assert.InRange(run.Report.TestMetric, exact.TestMetric - 0.01, exact.TestMetric + 0.01);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task Replicas_agree_when_workers_join_and_die(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "Replicas_agree_and_learn_as_much has a star.");
        using var run = TrainingRun.Start(
            SmallJobs.Medium with { Wire = "bf16", Determinism = "relaxed", Topology = topology }, "--workers", "2", "--max-restarts", "0");
        await run.TrainsAsync();
        var stayer = run.Worker("worker-2");
        using var late = ProgramRun.Start(
            BuiltFiles.Worker, ["--coordinator", stayer.Option("--coordinator")!, "--device", "cpu", "--name", "late", "--token-file",
                run.TokenFile]);
        await stayer.SlowDownAsync(until: late.LineAsync(TakesPart()));
        run.Worker("worker-1").Send(Signal.Kill);
        await run.Coordinator.EndsWithAsync(0);
        await late.EndsWithAsync(0);
        Assert.Equal((2, 3), (run.Report.Workers, run.Report.GenerationsByWorkers));
        Assert.Equal(run.Report.SamplesExpected, run.Report.SamplesApplied);
    }

    [Fact]
    public async Task One_worker_alone_trains_a_relaxed_job_to_the_bits_of_one_micro_batch()
    {
        var job = SmallJobs.Kinds["cnn with momentum"];
        using var run = TrainingRun.Start(job, "--workers", "1", "--set", "determinism=relaxed");
        await run.Coordinator.EndsWithAsync(0);
        SameBits.Require(job with { MicroBatches = 1 }, run);
    }

    [GeneratedRegex(@"Generation 2: from round")]
    private static partial Regex TakesPart();
}
