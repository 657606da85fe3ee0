using System.CommandLine;
using Distributed.Core.Scores;
using Distributed.Hosting.Processes;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

internal static class CompareCommand
{
    private const int MaxRuns = 10; // More colours could not be told apart
    private const int ShownDigits = 16;

    public static Command Create()
    {
        var runs = Declare.Argument<string[]>("RUN", ArgumentArity.OneOrMore, "Folders of finished runs.");
        var picture = Declare.Text("--out", "compare.png", "The picture.");
        runs.Validators.Add(result =>
        {
            if (result.Tokens.Count > MaxRuns) result.AddError($"{result.Tokens.Count} runs are given; allowed: 1 to {MaxRuns}");
        });
        return Declare.Command("compare",
            "Draws the training loss of finished runs over the samples that they used, and lists their results. "
            + "Exit code 1: the picture cannot be written; 2: there is no such run. Example: compare runs/one runs/other --out compare.png",
            [runs, picture],
            (parsed, _) => Task.FromResult(Run(parsed.GetRequiredValue(runs), parsed.GetRequiredValue(picture))));
    }

    private static int Run(string[] folders, string picture)
    {
        string[] names = [.. folders.Select(RunStart.NameOf)];
        // Folders of the same name are shown by their paths.
        ComparedRun[] runs = Failures.Input(() => folders.Select((folder, i) =>
            ComparedRun.Read(folder, names.Count(name => name == names[i]) == 1 ? names[i] : folder)).ToArray());
        foreach (var damage in runs.Select(run => run.Damage).OfType<string>()) Console.Error.WriteLine($"warning: {damage}");
        PlainTable.Console().Write(TableOf(runs));
        try
        {
            ComparisonPlot.Save(picture, runs);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, $"'{picture}' cannot be written: {error.Message}");
        }
        Console.WriteLine($"Picture: {Path.GetFullPath(picture)}");
        return 0;
    }

    private static Table TableOf(IEnumerable<ComparedRun> runs)
    {
        var table = PlainTable.With(
            "run", "optimizer", "batch>", "steps>", "samples>", "train loss>", "test loss>", "test metric>", "seconds>", "parameters");
        foreach (var run in runs)
        {
            var (job, report) = (run.Job, run.Report);
            table.AddTexts(
                run.Name, job.Optimizer.Summarize(), job.BatchText, $"{report.Steps}", $"{report.SamplesApplied}",
                $"{run.TrainLoss:0.0000}", $"{report.TestLoss:0.0000}",
                report.TestMetric is { } metric ? $"{new MetricValue(job.Kind.Metric, metric)}" : "", $"{report.Seconds:0.0}",
                report.ParametersSha256[..Math.Min(ShownDigits, report.ParametersSha256.Length)]);
        }
        return table;
    }
}
