using Distributed.Coordinator.Commands;
using Distributed.Coordinator.Runs;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Comparison;

public sealed class ComparedRunTests : IDisposable
{
    private static readonly Job _descent = Job.Default with { Epochs = 2, Batch = 4, MicroBatches = 2 };

    private static readonly Job _search =
        _descent with { Batch = null, Epochs = 5, Optimizer = new RandomSearchSpec(), Schedule = new ConstantSpec(), ClipNorm = null };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_loss_is_at_the_number_of_samples_used_so_far()
    {
        var run = ComparedRun.Read(FinishedRun.Write(_folder["run"], _descent, 4, 3, 5, 2), "run");
        Assert.Equal([new(4, 4), new(7, 3), new(11, 5), new(14, 2)], run.Losses);
        Assert.Equal(2, run.TrainLoss);
    }

    [Fact]
    public void The_loss_of_a_search_is_the_lowest_so_far()
    {
        var run = ComparedRun.Read(FinishedRun.Write(_folder["run"], _search, 4, double.NaN, 3, 5, 3.5), "run");
        Assert.Equal([new(7, 4), new(14, 4), new(21, 3), new(28, 3), new(35, 3)], run.Losses);
        Assert.Equal(3, run.TrainLoss);
    }

    [Fact]
    public void Folders_without_a_finished_run_are_refused_with_the_reason()
    {
        var run = FinishedRun.Write(_folder["run"], _descent, 4, 3, 5, 2);
        Refuses($"'{_folder["none"]}' does not exist; give the folders of finished runs", _folder["none"]);
        Refuses($"'{_folder.Path}' holds no run: it has no job.yaml; give the folders of finished runs", _folder.Path);
        Refuses("' has trained nothing: there is no loss to compare",
            FinishedRun.Write(_folder["evaluated"], _descent with { Epochs = 0 }));
        File.Delete(Path.Combine(run, "history.csv"));
        Refuses("history.csv' is missing", run);
        File.Delete(Path.Combine(run, "report.json"));
        Refuses($"the run in '{run}' is not finished: it has no report.json. Wait for its end, or continue it: train --resume --run {run}",
            run);
    }

    [Theory]
    [InlineData(4, 3, "' has 3 steps; report.json says 4: its curve ends there")]
    [InlineData(2, 1, "': line 3 cannot be read; its curve ends there")]
    [InlineData(1, 0, "': line 2 cannot be read; its curve ends there")]
    public void A_history_with_a_missing_line_is_compared_up_to_it(int line, int steps, string damage)
    {
        var run = ComparedRun.Read(Without(FinishedRun.Write(_folder["run"], _descent, 4, 3, 5, 2), "history.csv", line), "run");
        Assert.Equal(steps, run.Losses.Count);
        Assert.Equal(2, run.TrainLoss);
        Assert.EndsWith(damage, run.Damage, StringComparison.Ordinal);
        ComparisonPlot.Save(_folder["compare.png"], [run]);
    }

    [Fact]
    public void A_million_steps_are_merged_into_some_thousands_of_points()
    {
        List<LossPoint> points = [];
        for (var step = 1; step <= 1_000_000; step++) LossPoint.Add(points, 64L * step, step % 2);
        Assert.InRange(points.Count, 2000, 10_000);
        Assert.Equal(1_000_000, points.Sum(point => point.Steps));
        Assert.Equal(500_000, points.Sum(point => point.Steps * point.Loss), 1e-3);
    }

    [Fact]
    public void More_steps_than_the_job_has_are_refused() =>
        Refuses("has 5 steps; its job and its samples make 4", FinishedRun.Write(_folder["run"], _descent, 4, 3, 5, 2, 1));

    private static void Refuses(string complaint, string folder) =>
        Assert.Contains(complaint, Assert.Throws<RunFolderException>(() => ComparedRun.Read(folder, "run")).Message,
            StringComparison.Ordinal);

    /// <summary>A copy of a run in which a file lacks a line.</summary>
    private string Without(string run, string name, int line)
    {
        var copy = Directory.CreateDirectory(_folder[$"without-{line}"]).FullName;
        foreach (var file in Directory.EnumerateFiles(run)) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        File.WriteAllLines(Path.Combine(copy, name), File.ReadLines(Path.Combine(run, name)).Where((_, i) => i != line));
        return copy;
    }
}
