using System.Globalization;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>What a run survives: kills of all its processes at the worst moment, power cuts, full disks.</summary>
[Collection(Torch.Name)]
public sealed partial class DurabilityTests
{
    private static readonly int _kills = Effort.Of(usual: 3, thorough: 200);

    private const int PowerCuts = 30;

    /// <summary>For the steps that remain after the last kill or power cut.</summary>
    private static readonly TimeSpan _rest = TimeSpan.FromMinutes(10);

    private static Job Job(int epochs, int every) =>
        SmallJobs.Short with { Epochs = epochs, Checkpoint = new() { EverySteps = every, Keep = 2 } };

    [Fact]
    public async Task A_run_whose_processes_are_all_killed_as_a_checkpoint_appears_ends_with_the_bits_of_the_undisturbed_one()
    {
        var job = Job(epochs: 20 * _kills, every: 5);
        using var run = TrainingRun.Start(job, "--workers", "1");
        var coordinator = run.Coordinator;
        for (var kill = 1; kill <= _kills; kill++)
        {
            var before = Newest(run);
            using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
            while (Newest(run) is var newest && newest == before && coordinator.Self.IsRunning)
                overdue.Token.ThrowIfCancellationRequested();
            Kill(coordinator);
            Assert.False(File.Exists(run["report.json"]), $"the run has ended before kill {kill}");
            await coordinator.EndsAsync();
            if (coordinator != run.Coordinator) coordinator.Dispose();
            coordinator = run.Resume("1");
        }
        await coordinator.EndsWithAsync(0, _rest);
        coordinator.Dispose();
        SameBits.Require(job, run);
    }

    [Fact]
    public async Task A_run_whose_disk_loses_what_was_not_flushed_again_and_again_ends_with_the_bits_of_the_undisturbed_one()
    {
        Effort.SkipUnlessThorough(instead: "ResumeTests cut the power of a simulated disk.");
        var job = Job(epochs: 40 * PowerCuts, every: 5);
        using var place = new TemporaryFolder();
        File.WriteAllText(place["job.yaml"], JobFile.Format(job));
        var disk = MountedDisk.OfImage(place["disk"], place["image"], mebibytes: 24);
        if (disk is null) Assert.Skip("the image of a file system can only be mounted by root, where there are loop devices");
        var random = new Random(1);
        var coordinator = ProgramRun.Start(
            BuiltFiles.Coordinator, ["train", place["job.yaml"], "--run", place["disk/run"], "--workers", "1", "--device", "cpu"]);
        try
        {
            var reached = 0L;
            for (var cut = 1; cut <= PowerCuts; cut++)
            {
                await RecordsAsync(coordinator, place["disk/run/history.csv"], reached + random.Next(20, 200));
                Assert.True(coordinator.Self.IsRunning, $"the run has ended before cut {cut}: {string.Join('\n', coordinator.Errors)}");
                disk = disk.CutPower(() => Kill(coordinator));
                await coordinator.EndsAsync();
                coordinator.Dispose();
                reached = Recorded(place["disk/run/history.csv"]);
                coordinator = File.Exists(place["disk/run/coordinator.json"])
                    ? ProgramRun.Start(BuiltFiles.Coordinator,
                        ["train", "--resume", "--run", place["disk/run"], "--workers", "1", "--device", "cpu"])
                    : ProgramRun.Start(BuiltFiles.Coordinator,
                        ["train", place["job.yaml"], "--run", place["disk/run"], "--overwrite", "--workers", "1", "--device", "cpu"]);
            }
            await coordinator.EndsWithAsync(0, _rest);
            Assert.Equal(ReferenceLoop.Train(job).Model, await File.ReadAllBytesAsync(place["disk/run/model.safetensors"]));
            Assert.Equal(job.Epochs * 12, Recorded(place["disk/run/history.csv"]));
        }
        finally
        {
            coordinator.Dispose();
            disk.Dispose();
        }
    }

    /// <summary>First for a while in the middle, then at the end.</summary>
    [Fact]
    public async Task On_a_disk_that_is_full_for_a_while_nothing_is_lost_and_the_result_waits_for_space()
    {
        var job = SmallJobs.Long with { Checkpoint = new() { EverySteps = 20, Keep = 2 } };
        using var run = TrainingRun.OnDisk(job, kibibytes: 700, "--workers", "1");
        if (run is null) Assert.Skip("a small disk can only be mounted by root");
        var coordinator = run.Coordinator;
        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        var metrics = (await coordinator.LineAsync(Address())).Groups[1].Value;
        await ReachesAsync(100);
        run.Disk!.Fill();
        // A failed checkpoint frees space, which the history would use.
        await ReachesAsync(200, run.Disk.Fill);
        await coordinator.LineAsync(NoHistory());
        run.Disk.Empty();
        await coordinator.LineAsync(Again());
        await ReachesAsync(300);
        run.Disk.Fill();
        await coordinator.LineAsync(NoResult());
        var workers = coordinator.Children();
        Assert.All(workers, worker => Assert.True(worker.IsRunning));
        Assert.NotEmpty(workers);
        Assert.False(File.Exists(run["model.safetensors"]));
        Assert.False(File.Exists(run["report.json"]));
        run.Disk.Empty();
        await coordinator.EndsWithAsync(0);
        SameBits.Require(job, run);
        Assert.Single(coordinator.Output, line => NoResult().IsMatch(line));
        Assert.InRange(coordinator.Output.Count(line => line.Contains("cannot be written: No space left", StringComparison.Ordinal)), 2, 8);
        Assert.Empty(Directory.EnumerateFiles(run.Folder, "*.tmp"));

        async Task ReachesAsync(long step, Action? meanwhile = null)
        {
            using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
            while (long.Parse(Step().Match(await client.GetStringAsync(metrics, overdue.Token)).Groups[1].Value,
                CultureInfo.InvariantCulture) < step)
                meanwhile?.Invoke();
        }
    }

    private static void Kill(ProgramRun coordinator)
    {
        var workers = coordinator.Children();
        coordinator.Self.Send(Signal.Kill);
        foreach (var worker in workers) worker.Send(Signal.Kill);
    }

    private static string? Newest(TrainingRun run) =>
        Directory.Exists(run["checkpoints"])
            ? Directory.EnumerateDirectories(run["checkpoints"], "step-?????????").Max(StringComparer.Ordinal) : null;

    private static long Recorded(string history) => File.Exists(history) ? File.ReadLines(history).Count() - 1 : 0;

    private static async Task RecordsAsync(ProgramRun coordinator, string history, long steps)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
        while (Recorded(history) < steps && coordinator.Self.IsRunning) await Task.Delay(TimeSpan.FromMilliseconds(5), overdue.Token);
    }

    [GeneratedRegex(@"\bmetrics at (http://\S+/metrics)")]
    private static partial Regex Address();

    [GeneratedRegex(@"(?m)^distributed_step (\d+)")]
    private static partial Regex Step();

    [GeneratedRegex(@"^history\.csv cannot be written: No space left on device")]
    private static partial Regex NoHistory();

    [GeneratedRegex(@"^\S+ is written again, and no line is missing$")]
    private static partial Regex Again();

    [GeneratedRegex(@"^the result cannot be written: No space left on device")]
    private static partial Regex NoResult();
}
