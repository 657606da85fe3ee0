using System.Globalization;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

public sealed class RunFolderTests
{
    private static readonly byte[] _pngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a];

    [Fact]
    public async Task A_run_leaves_its_files_and_is_not_replaced_without_overwrite()
    {
        using var run = TrainingRun.Start(SmallJobs.Short, "--workers", "1", "--set", "seed=7");
        await run.Coordinator.EndsWithAsync(0);
        Assert.Equal(
            ["data.json", "evaluations.csv", "events.jsonl", "history.csv", "job.yaml", "logs", "loss.png", "model.safetensors",
                "report.json", "tensorboard"],
            Directory.EnumerateFileSystemEntries(run.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(["coordinator.log", "worker-1.log"],
            Directory.EnumerateFiles(run["logs"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(SmallJobs.Short with { Seed = 7 }, JobFile.Parse(await File.ReadAllTextAsync(run["job.yaml"]), "job.yaml"));
        Assert.Equal(_pngSignature, (await File.ReadAllBytesAsync(run["loss.png"]))[.._pngSignature.Length]);
        RequireHistory(await File.ReadAllLinesAsync(run["history.csv"]), steps: 12);

        using var second = ProgramRun.Start(BuiltFiles.Coordinator, ["train", "--run", run.Folder]);
        await second.EndsWithAsync(2);
        Assert.EndsWith("already holds a run. Add --overwrite to replace it, or choose another folder with --run.",
            Assert.Single(second.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_runs_side_by_side_do_not_interfere()
    {
        using var left = TrainingRun.Start(SmallJobs.Short, "--workers", "1");
        using var right = TrainingRun.Start(SmallJobs.Short, "--workers", "1");
        await left.Coordinator.EndsWithAsync(0);
        await right.Coordinator.EndsWithAsync(0);
        Assert.Equal(left.Model, right.Model);
        Assert.Equal((1, 1), (left.Report.Workers, right.Report.Workers));
    }

    private static void RequireHistory(string[] lines, int steps)
    {
        Assert.Equal("step,epoch,loss,learning_rate,gradient_norm,samples_per_second", lines[0]);
        Assert.Equal(steps, lines.Length - 1);
        for (var step = 1; step <= steps; step++)
        {
            var cells = Array.ConvertAll(lines[step].Split(','), cell => double.Parse(cell, CultureInfo.InvariantCulture));
            Assert.Equal([step, 1], cells[..2]);
            Assert.All(cells[2..], cell => Assert.True(cell >= 0 && double.IsFinite(cell)));
        }
    }
}
