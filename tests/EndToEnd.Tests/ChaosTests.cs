using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>The chaos check as a user runs it.</summary>
public sealed partial class ChaosTests
{
    private static readonly TimeSpan _twoRuns = TimeSpan.FromMinutes(4);

    [Theory]
    [InlineData("mesh", 40, "kill-worker@20,freeze-worker@40:1s,join@60,drain@300,restart-coordinator@400", "killed", "froze", "started",
        "asked", "killed")]
    [InlineData("star", 20, "kill-worker@20,freeze-worker@40:1s,join@60,drain@80", "killed", "froze", "started", "asked")]
    public async Task Kills_freezes_joins_leaves_and_a_coordinator_restart_change_no_bit(
        string topology, int epochs, string plan, params string[] happened)
    {
        using var run = Start(SmallJobs.Medium with { Topology = topology, Epochs = epochs }, plan);
        await run.Coordinator.EndsWithAsync(0, _twoRuns);
        Assert.Equal(
            happened,
            run.Coordinator.Output.Select(line => Happened().Match(line)).Where(match => match.Success)
                .Select(match => match.Groups[1].Value));
        run.RequireSameBitsUnderChaos();
    }

    [Fact]
    public async Task A_job_that_ends_before_its_faults_fails_the_check()
    {
        // The only worker is not killed, and such a short job is done before another joins.
        using var run = Start(SmallJobs.Short, "kill-worker@12", workers: 1);
        await run.Coordinator.EndsWithAsync(1, _twoRuns);
        Assert.Equal(["error: the job ended before 1 of 1 fault(s); use more epochs, or earlier steps"], run.Coordinator.Errors);
        run.RequireNothingLeft();
    }

    [Fact]
    public async Task A_fault_after_the_last_step_is_refused()
    {
        using var run = Start(SmallJobs.Short, "join@13");
        await run.Coordinator.EndsWithAsync(2, _twoRuns);
        Assert.Equal(["error: --chaos join@13: the job has 12 steps; allowed: a step from 1 to 12"], run.Coordinator.Errors);
    }

    [Theory]
    [InlineData("--chaos kill@30: unknown fault kill; allowed: kill-worker, ", "kill@30", 3)]
    [InlineData("--workers is 0; with --chaos allowed: 1 to 1024", "join@3", 0)]
    [InlineData("--chaos compares bits, which depend on the number of workers where wire is bf16", "join@3", 3, "--set", "wire=bf16")]
    [InlineData("epochs is 0; to train, allowed: 1 or more.", "join@3", 3, "--set", "epochs=0")]
    public async Task An_impossible_check_is_refused_at_once(string complaint, string plan, int workers, params string[] arguments)
    {
        using var run = Start(SmallJobs.Short, plan, workers, arguments);
        await run.Coordinator.EndsWithAsync(2);
        Assert.StartsWith("error: " + complaint, Assert.Single(run.Coordinator.Errors), StringComparison.Ordinal);
        Assert.Empty(run.Coordinator.Output);
        Assert.False(Directory.Exists(run.Folder));
    }

    [Theory]
    [InlineData(Signal.Interrupt)]
    [InlineData(Signal.Terminate)]
    public async Task Nothing_is_left_running(Signal signal)
    {
        using var run = Start(SmallJobs.Medium, "freeze-worker@5:60s,join@10");
        await run.Coordinator.LineAsync(Happened());
        run.Coordinator.Self.Send(signal);
        await run.Coordinator.EndsWithAsync(1);
        Assert.Equal([$"error: interrupted; what there is so far is in {run.Folder}"], run.Coordinator.Errors);
        run.RequireNothingLeft();
    }

    private static TrainingRun Start(Job job, string plan, int workers = 3, params string[] arguments) =>
        TrainingRun.Start(job, ["--workers", $"{workers}", "--chaos", plan, .. arguments]);

    [GeneratedRegex(@"^step \d+: (killed|froze|started|asked)")]
    private static partial Regex Happened();
}
