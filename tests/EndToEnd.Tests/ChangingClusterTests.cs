using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

public sealed partial class ChangingClusterTests
{
    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_killed_worker_changes_no_bit(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "ChaosTests kills a worker of a star.");
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "2", "--max-restarts", "0");
        await run.TrainsAsync();
        run.Worker("worker-2").Send(Signal.Kill);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Single(run.Coordinator.Output, line => line.StartsWith("worker-2 is lost: ", StringComparison.Ordinal));
        Assert.Equal((1, 2), (run.Report.Workers, run.Report.GenerationsByWorkers));
        SameBits.Require(job, run);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_worker_that_is_told_to_stop_changes_no_bit(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "ChaosTests asks a worker of a star to leave.");
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        run.Worker("worker-1").Send(Signal.Terminate);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Single(run.Coordinator.Output, "worker-1 has left, as it asked to");
        Assert.DoesNotContain(run.Coordinator.Output, line => line.Contains("lost", StringComparison.Ordinal));
        Assert.EndsWith("Done: it has asked to leave.\n", await File.ReadAllTextAsync(run["logs/worker-1.log"]), StringComparison.Ordinal);
        run.Report.RequireChange(workers: 1);
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task Without_workers_and_restarts_the_run_fails_at_once()
    {
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "2", "--max-restarts", "0");
        await run.TrainsAsync();
        foreach (var worker in run.Coordinator.Children()) worker.Send(Signal.Kill);
        await run.Coordinator.EndsWithAsync(1);
        Assert.Equal(["error: all workers are gone, and with them the parameters"], run.Coordinator.Errors);
    }

    [Fact]
    public async Task Workers_from_elsewhere_train_the_same_bits()
    {
        using var run = TrainingRun.Start(SmallJobs.Short, "--workers", "0", "--min-workers", "2");
        var address = await AddressAsync(run);
        using var first = StartWorker(run, address, "north");
        using var second = StartWorker(run, address, "south");
        await run.Coordinator.EndsWithAsync(0);
        await first.EndsWithAsync(0);
        await second.EndsWithAsync(0);
        Assert.Equal((2, 1), (run.Report.Workers, run.Report.GenerationsByWorkers));
        SameBits.Require(SmallJobs.Short, run);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_worker_that_joins_while_training_changes_no_bit(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "ChaosTests has a worker join a star.");
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        using var third = StartWorker(run, run.Worker("worker-1").Option("--coordinator")!, "late");
        await run.Worker("worker-2").SlowDownAsync(until: third.LineAsync(TakesPart()));
        await run.Coordinator.EndsWithAsync(0);
        await third.EndsWithAsync(0);
        run.Report.RequireChange(workers: 3);
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task A_mesh_trains_to_the_end_of_its_lease_while_the_coordinator_is_frozen()
    {
        var job = SmallJobs.Medium with { Topology = "mesh" };
        using var run = TrainingRun.Start(job, "--workers", "2");
        await run.TrainsAsync();
        string[] logs = [await File.ReadAllTextAsync(run["logs/worker-1.log"]), await File.ReadAllTextAsync(run["logs/worker-2.log"])];
        run.Coordinator.Self.Send(Signal.Stop);
        foreach (var log in logs) await AppliesAsync(230, MetricsAt().Match(log).Groups[1].Value);
        run.Coordinator.Self.Send(Signal.Continue);
        await run.Coordinator.EndsWithAsync(0);
        Assert.Equal((2, 1), (run.Report.Workers, run.Report.GenerationsByWorkers));
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task A_worker_whose_coordinator_does_not_come_back_ends()
    {
        using var run = TrainingRun.Start(SmallJobs.Endless with { Topology = "mesh" }, "--workers", "0", "--min-workers", "2");
        var address = await AddressAsync(run);
        using var first = StartWorker(run, address, "north", "--coordinator-timeout", "10");
        using var second = StartWorker(run, address, "south", "--coordinator-timeout", "10");
        await run.TrainsAsync();
        run.Coordinator.Self.Send(Signal.Kill);
        foreach (var worker in (ProgramRun[])[first, second])
        {
            await worker.EndsWithAsync(1, TimeSpan.FromSeconds(60));
            Assert.StartsWith($"error: the coordinator at {address} did not come back within ", Assert.Single(worker.Errors),
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_coordinator_that_is_killed_and_started_again_changes_no_bit(string topology)
    {
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "0", "--min-workers", "2");
        var address = await AddressAsync(run);
        using var first = StartWorker(run, address, "north");
        using var second = StartWorker(run, address, "south");
        await run.TrainsAsync();
        run.Coordinator.Self.Send(Signal.Kill);
        await run.Coordinator.EndsAsync();
        // A mesh needs no coordinator up to the end of its lease, here the end of the job.
        if (job.IsMesh)
            foreach (var worker in (ProgramRun[])[first, second])
                await AppliesAsync(230, (await worker.LineAsync(MetricsAt())).Groups[1].Value);
        using var again = run.Resume();
        Assert.Equal(address, (await again.LineAsync(WaitingAt())).Groups[1].Value);
        await again.EndsWithAsync(0);
        await first.EndsWithAsync(0);
        await second.EndsWithAsync(0);
        // No worker has begun again, and no line is missing or repeated.
        Assert.Single(TakenInAgain().Matches(Lines(first)));
        Assert.Equal((2, 0), (run.Report.Workers, run.Report.StepsRedone));
        Assert.Equal(Enumerable.Range(1, (int)run.Report.Steps).Select(step => $"{step}"),
            File.ReadLines(run["history.csv"]).Skip(1).Select(line => line.Split(',')[0]));
        Assert.False(File.Exists(run["coordinator.json"]));
        SameBits.Require(job, run);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_coordinator_that_is_told_to_stop_leaves_the_workers_to_the_next_one(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "The next one finds the workers of a star as after a kill.");
        var job = SmallJobs.Medium with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "0", "--min-workers", "2", "--resume-if-begun");
        var address = await AddressAsync(run);
        using var first = StartWorker(run, address, "north");
        using var second = StartWorker(run, address, "south");
        await run.TrainsAsync();
        run.Coordinator.Self.Send(Signal.Terminate);
        await run.Coordinator.EndsWithAsync(1);
        Assert.Equal([$"error: interrupted; what there is so far is in {run.Folder}"], run.Coordinator.Errors);
        using var again = run.Coordinator.StartAgain();
        await again.EndsWithAsync(0);
        await first.EndsWithAsync(0);
        await second.EndsWithAsync(0);
        Assert.Single(TakenInAgain().Matches(Lines(first)));
        Assert.Equal((2, 0), (run.Report.Workers, run.Report.StepsRedone));
        using var afterwards = run.Coordinator.StartAgain();
        await afterwards.EndsWithAsync(0);
        Assert.Equal([$"The run in {run.Folder} is finished."], afterwards.Output);
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task When_all_processes_are_killed_a_run_that_is_resumed_ends_with_the_same_bits()
    {
        using var run = TrainingRun.Start(SmallJobs.Medium, "--workers", "2");
        await run.TrainsAsync();
        run.Coordinator.Self.Send(Signal.Kill);
        await run.Coordinator.EndsAsync();
        using var again = run.Resume("1");
        await again.EndsWithAsync(0);
        Assert.Equal(1, run.Report.Workers);
        SameBits.Require(SmallJobs.Medium, run);
    }

    [Theory]
    [InlineData("mesh")]
    [InlineData("star")]
    public async Task A_frozen_worker_is_evicted_and_returns_when_it_continues(string topology)
    {
        Effort.SkipUnlessThorough(topology == "star", "ChaosTests freezes a worker of a star.");
        var job = SmallJobs.Long with { Topology = topology };
        using var run = TrainingRun.Start(job, "--workers", "0", "--min-workers", "3");
        var address = await AddressAsync(run);
        using var first = StartWorker(run, address, "north");
        using var second = StartWorker(run, address, "south");
        using var frozen = StartWorker(run, address, "west");
        await run.Coordinator.LineAsync(HasTrained());
        frozen.Self.Send(Signal.Stop);
        await run.Coordinator.LineAsync(TurnedAway());
        frozen.Self.Send(Signal.Continue);
        await run.Coordinator.EndsWithAsync(0);
        foreach (var worker in (ProgramRun[])[first, second, frozen]) await worker.EndsWithAsync(0);
        Assert.Equal((3, 0), (run.Report.Workers, run.Report.StepsRedone));
        SameBits.Require(job, run);
    }

    private static ProgramRun StartWorker(TrainingRun run, string coordinator, string name, params string[] options) =>
        ProgramRun.Start(BuiltFiles.Worker,
            ["--coordinator", coordinator, "--device", "cpu", "--name", name, "--token-file", run.TokenFile, .. options]);

    private static string Lines(ProgramRun run) => string.Join('\n', run.Output);

    private static async Task<string> AddressAsync(TrainingRun run) => (await run.Coordinator.LineAsync(WaitingAt())).Groups[1].Value;

    private static async Task AppliesAsync(int steps, string metrics)
    {
        using var deadline = new CancellationTokenSource(ProgramRun.Timeout);
        using var client = new HttpClient();
        while (!(await client.GetStringAsync(metrics, deadline.Token))
            .Contains($"distributed_worker_rounds_total{{kind=\"train\"}} {steps}\n", StringComparison.Ordinal))
            await Task.Delay(TimeSpan.FromMilliseconds(50), deadline.Token);
    }

    [GeneratedRegex(@"Metrics at (\S+)")]
    private static partial Regex MetricsAt();

    [GeneratedRegex(@"^training .*\bstep [1-9]\d\d")]
    private static partial Regex HasTrained();

    [GeneratedRegex(@"^west was turned away: it did not answer")]
    private static partial Regex TurnedAway();

    [GeneratedRegex(@"Rejoined as north, with [1-9]\d* rounds applied")]
    private static partial Regex TakenInAgain();

    [GeneratedRegex(@"^Waiting for [123] worker\(s\): .* --coordinator (\S+) --token-file \S+$")]
    private static partial Regex WaitingAt();

    [GeneratedRegex(@"Generation \d+: from round")]
    private static partial Regex TakesPart();
}
