using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

public sealed class CheckpointTests
{
    private static readonly int _cuts = Effort.Of(usual: 6, thorough: 20);

    /// <summary>Long enough for all power cuts.</summary>
    private static readonly Job _job = SmallJobs.Medium with { Epochs = 2 * _cuts, Checkpoint = new() { EverySteps = 7, Keep = 2 } };

    /// <summary>With one to three workers, and the topologies in turn.</summary>
    [Fact]
    public async Task A_run_whose_processes_are_all_killed_again_and_again_ends_with_the_bits_of_the_undisturbed_one()
    {
        var random = new Random(1);
        using var run = TrainingRun.Start(_job, "--workers", "2");
        var coordinator = run.Coordinator;
        for (var cut = 1; cut <= _cuts; cut++)
        {
            await run.RecordsAsync(Math.Min(run.Recorded, 35 * _cuts) + random.Next(1, 30), coordinator);
            Assert.True(coordinator.Self.IsRunning, $"the run has ended before cut {cut}");
            var workers = coordinator.Children();
            coordinator.Self.Send(Signal.Kill);
            foreach (var worker in workers) worker.Send(Signal.Kill);
            await coordinator.EndsAsync();
            if (coordinator != run.Coordinator) coordinator.Dispose();
            foreach (var checkpoint in Checkpoints(run)) await InspectsAsync(checkpoint);
            coordinator = run.Resume($"{(cut % 3) + 1}", "--set", $"topology={(cut % 2 == 0 ? "mesh" : "star")}");
        }
        await coordinator.EndsWithAsync(0);
        coordinator.Dispose();
        SameBits.Require(_job, run);
        Assert.NotEmpty(Checkpoints(run));
    }

    [Fact]
    public async Task A_damaged_checkpoint_is_named_and_the_one_before_it_used()
    {
        using var run = TrainingRun.Start(_job, "--workers", "1");
        await run.RecordsAsync(60, run.Coordinator);
        foreach (var process in run.Coordinator.Children().Append(run.Coordinator.Self)) process.Send(Signal.Kill);
        await run.Coordinator.EndsAsync();
        var damaged = Path.Combine(Checkpoints(run)[^1], "model.safetensors");
        var bytes = await File.ReadAllBytesAsync(damaged);
        bytes[^5] ^= 1;
        await File.WriteAllBytesAsync(damaged, bytes);
        using var inspection = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", Checkpoints(run)[^1]]);
        await inspection.EndsWithAsync(1);
        using var again = run.Resume("1");
        await again.EndsWithAsync(0);
        Assert.Contains(again.Output,
            line => line.StartsWith($"a checkpoint is skipped: '{damaged}' is damaged: ", StringComparison.Ordinal));
        SameBits.Require(_job, run);
    }

    [Fact]
    public async Task Another_job_is_refused_with_what_differs()
    {
        using var run = TrainingRun.Start(SmallJobs.Endless, "--workers", "1");
        await run.TrainsAsync();
        foreach (var process in run.Coordinator.Children().Append(run.Coordinator.Self)) process.Send(Signal.Kill);
        await run.Coordinator.EndsAsync();
        using var again = run.Resume("1", "--set", "seed=5", "--set", "clip-norm=null");
        await again.EndsWithAsync(2);
        Assert.Equal(
            [
                $"error: the run in {run.Folder} has another job: seed is 5, was 1; clip-norm is null, was 1. "
                + "Only topology and checkpoint may change; for another job, begin another run",
            ],
            again.Errors);
    }

    [Fact]
    public async Task On_a_full_disk_training_continues_and_reports_the_missing_checkpoint()
    {
        using var disk = new TemporaryFolder();
        var place = Directory.CreateDirectory(disk["run/checkpoints"]).FullName;
        // Room for a folder, but not for its files.
        using var mount = Process.Start("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", place]);
        await mount.WaitForExitAsync();
        if (mount.ExitCode != 0) Assert.Skip("a small disk can only be mounted by root");
        try
        {
            using var train = ProgramRun.Start(BuiltFiles.Coordinator,
                ["train", "--run", disk["run"], "--workers", "1", "--device", "cpu",
                    "--set", "epochs=3", "--set", "checkpoint.every-steps=10"]);
            await train.EndsWithAsync(0);
            // The first checkpoint is skipped if another one is complete before its round is reported.
            Assert.Contains(train.Output,
                line => Regex.IsMatch(line, @"^the checkpoint of step \d+ could not be written: No space left on device"));
            Assert.True(File.Exists(disk["run/model.safetensors"]));
            Assert.Empty(Directory.EnumerateFileSystemEntries(place));
        }
        finally
        {
            using var unmount = Process.Start("umount", [place]);
            await unmount.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task An_evaluation_gives_the_numbers_of_the_training()
    {
        using var run = TrainingRun.Start(SmallJobs.Medium with { Epochs = 3, Checkpoint = new() { EverySteps = 10 } }, "--workers", "2");
        await run.Coordinator.EndsWithAsync(0);
        using var evaluation = Evaluate(run, 3);
        await evaluation.EndsWithAsync(0);
        Assert.StartsWith(
            $"Test accuracy {100 * run.Report.TestMetric:0.00} %, loss {run.Report.TestLoss:0.0000} over 359 samples of ",
            evaluation.Output[^2], StringComparison.Ordinal);
        using var report = System.Text.Json.JsonDocument.Parse(await File.ReadAllTextAsync(run["evaluation/evaluation.json"]));
        Assert.Equal(run.Report.TestLoss, report.RootElement.GetProperty("loss").GetDouble());
        Assert.Equal(run.Report.TestMetric, report.RootElement.GetProperty("test_metric").GetDouble());
        var counts = report.RootElement.GetProperty("confusion").EnumerateArray()
            .Select(row => row.EnumerateArray().Select(count => count.GetInt32()).ToArray()).ToArray();
        Assert.Equal(359, counts.Sum(row => row.Sum()));
        Assert.Equal(run.Report.TestMetric, Enumerable.Range(0, 10).Sum(i => counts[i][i]) / 359.0);
        Assert.True(File.Exists(run["evaluation/confusion.png"]));

        // The best checkpoint has the metric that its manifest says.
        using var best = Evaluate(run, 1, "--checkpoint", "best");
        await best.EndsWithAsync(0);
        var known = File.ReadLines(run["evaluations.csv"]).Skip(1).SkipLast(1)
            .Select(line => double.Parse(line.Split(',')[3], CultureInfo.InvariantCulture)).Max();
        using var found = System.Text.Json.JsonDocument.Parse(await File.ReadAllTextAsync(run["evaluation/evaluation.json"]));
        Assert.Equal(known, found.RootElement.GetProperty("test_metric").GetDouble());
    }

    [Fact]
    public async Task A_run_that_cannot_be_evaluated_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var nothing = ProgramRun.Start(BuiltFiles.Coordinator, ["evaluate", "--run", folder.Path]);
        await nothing.EndsWithAsync(2);
        Assert.StartsWith($"error: '{folder["job.yaml"]}' does not exist", Assert.Single(nothing.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_begins_with_given_parameters_on_every_worker_also_on_one_that_joins()
    {
        using var first = TrainingRun.Start(SmallJobs.Medium with { Epochs = 2 }, "--workers", "1");
        await first.Coordinator.EndsWithAsync(0);
        // Such a small learning rate changes no bit of any parameter, and this model has no buffers.
        var frozen = SmallJobs.Short with { Optimizer = new SgdSpec { LearningRate = 1e-30 } };
        using var model = TrainingRun.Start(SmallJobs.Short, "--workers", "1");
        await model.Coordinator.EndsWithAsync(0);
        using var copy = TrainingRun.Start(frozen, "--workers", "2", "--init", model["model.safetensors"]);
        await copy.Coordinator.EndsWithAsync(0);
        Assert.Equal(model.Model, copy.Model);
        Assert.Contains("Initial parameters: all 4 tensors are in the file", copy.Coordinator.Output);

        using var wrong = TrainingRun.Start(frozen, "--workers", "2", "--init", first["model.safetensors"]);
        await wrong.Coordinator.EndsWithAsync(1);
        Assert.Contains("the initial parameters do not fit the model: 1 of 4 tensors are in the file",
            Assert.Single(wrong.Coordinator.Errors), StringComparison.Ordinal);
        using var none = TrainingRun.Start(frozen, "--workers", "2", "--init", model["loss.png"]);
        await none.Coordinator.EndsWithAsync(2);
        Assert.StartsWith($"error: '{model["loss.png"]}' cannot be read: ", Assert.Single(none.Coordinator.Errors),
            StringComparison.Ordinal);
    }

    private static ProgramRun Evaluate(TrainingRun run, int workers, params string[] more) =>
        ProgramRun.Start(BuiltFiles.Coordinator, ["evaluate", "--run", run.Folder, "--workers", $"{workers}", "--device", "cpu", .. more]);

    private static List<string> Checkpoints(TrainingRun run) =>
        Directory.Exists(run["checkpoints"])
            ? [.. Directory.EnumerateDirectories(run["checkpoints"], "step-?????????").Order(StringComparer.Ordinal)] : [];

    private static async Task InspectsAsync(string checkpoint)
    {
        using var inspection = ProgramRun.Start(BuiltFiles.Coordinator, ["inspect", checkpoint]);
        await inspection.EndsWithAsync(0);
    }
}
