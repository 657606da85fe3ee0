using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>The coordinator restarts its local workers.</summary>
public sealed partial class LocalRestartTests
{
    [Fact]
    public async Task When_all_local_workers_are_killed_one_after_another_the_run_goes_on_from_its_checkpoint_with_the_same_bits()
    {
        var job = SmallJobs.Long with { Checkpoint = new() { EverySteps = 20, Keep = 2 } };
        using var run = TrainingRun.Start(job, "--workers", "3");
        await run.RecordsAsync(30, run.Coordinator);
        foreach (var worker in (string[])["worker-1", "worker-2", "worker-3"])
        {
            run.Worker(worker).Send(Signal.Kill);
            await run.Coordinator.LineAsync(
                new Regex($"^{worker} is started again in 1 s, restart [123] of at most 10: killed by signal 9 "));
        }
        await run.Coordinator.EndsWithAsync(0);
        Assert.Single(run.Coordinator.Output, line => GoesOn().IsMatch(line));
        Assert.Equal(run.Report.SamplesExpected, run.Report.SamplesApplied);
        Assert.InRange(run.Report.StepsRedone, 1, run.Report.Steps);
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task The_coordinator_waits_for_the_frozen_last_holder_of_the_parameters()
    {
        Effort.SkipUnlessThorough(instead: "ClusterWaitingTests and the simulator do the same in virtual time.");
        var job = SmallJobs.Long with { Checkpoint = new() { EverySteps = 20, Keep = 2 } };
        using var run = TrainingRun.Start(job, "--workers", "3");
        await run.RecordsAsync(30, run.Coordinator);
        var last = run.Worker("worker-3");
        last.Send(Signal.Stop);
        foreach (var worker in (string[])["worker-1", "worker-2"]) run.Worker(worker).Send(Signal.Kill);
        await Task.Delay(TimeSpan.FromSeconds(8));
        last.Send(Signal.Continue);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Contains(run.Coordinator.Output, line => WaitsForLast().IsMatch(line));
        Assert.DoesNotContain(run.Coordinator.Output, line => line.StartsWith("all workers are gone", StringComparison.Ordinal));
        Assert.InRange(run.Report.StepsRedone, 0, 1);
        SameBits.Require(job, run);
    }

    [GeneratedRegex(@"^all workers are gone: waiting for at least 1; training then goes on from the checkpoint of step [1-9]")]
    private static partial Regex GoesOn();

    [GeneratedRegex(@"^worker-3 did not answer .*, but no other worker holds the newest parameters: waiting for another 15 s$")]
    private static partial Regex WaitsForLast();
}
