using System.Globalization;
using System.Text.Json;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Core.Reduction;
using Distributed.Core.Scores;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>The file <c>evaluation.json</c>.</summary>
internal sealed record EvaluationReport
{
    public required string Model { get; init; }
    public required long Samples { get; init; }
    public required double Loss { get; init; }
    public required string Metric { get; init; }
    public required double TestMetric { get; init; }
    public required int Workers { get; init; }
    /// <summary>Names of the classes. This and the following are empty where there are no classes, or too many.</summary>
    public required IReadOnlyList<string> Labels { get; init; }
    public required IReadOnlyList<ClassQuality> Classes { get; init; }
    /// <summary>The confusion matrix: a row for each actual class, a column for each predicted one.</summary>
    public required IReadOnlyList<IReadOnlyList<long>> Confusion { get; init; }
}

/// <summary>Writes the numbers of an evaluation and, for a classifier, its confusion matrix.</summary>
internal sealed class EvaluationOutcome(RunStart start, string model, RunRecorder recorder, int workers) : IRunOutcome
{
    private readonly EpochResult? _last = recorder.Curves.LastEvaluation;
    private readonly double[] _tallies = [.. recorder.EvaluationTallies];
    private EvaluationReport? _report;

    public void Write()
    {
        // The counts of the confusion matrix follow the only other metric.
        const int FirstCount = Tally.FirstMetric + 1;
        if (_last is not { } last) throw new RunFailedException("the data has no test set to evaluate on");
        var (job, folder) = (start.Job, start.Folder);
        var matrix = job.PluginTask is null && job.Kind.Metric == Metric.Accuracy && _tallies.Length > FirstCount
            ? ConfusionMatrix.Of(_tallies.AsSpan(FirstCount)) : null;
        var labels = LabelsOf(matrix?.Classes ?? 0);
        _report = new EvaluationReport
        {
            Model = model,
            Samples = (long)_tallies[Tally.Samples],
            Loss = last.TestLoss,
            Metric = last.TestMetric.Metric.Name,
            TestMetric = last.TestMetric.Value,
            Workers = workers,
            Labels = labels,
            Classes = matrix?.Qualities() ?? [],
            Confusion = matrix?.Rows() ?? [],
        };
        AtomicFile.Write(Path.Combine(folder.Path, "evaluation.json"), stream => JsonSerializer.Serialize(stream, _report, RunJson.File));
        if (matrix is not null)
            ConfusionPicture.Save(Path.Combine(folder.Path, "confusion.png"),
                $"{start.State.JobName}: {last.TestMetric.Metric.Text(last.TestMetric.Value)} of {_report.Samples} right", matrix, labels);
        // A copy of the model.
        File.Delete(folder.InitialFile);
    }

    public void Tell()
    {
        EvaluationTable.Write(AnsiConsole.Console, _report!);
        Console.WriteLine($"Test {_last!.TestMetric}, loss {_report!.Loss:0.0000} over {_report.Samples} samples of {model}");
        Console.WriteLine($"Results: {start.Folder.Path}");
    }

    /// <summary>As the workers name the classes, else their numbers.</summary>
    private IReadOnlyList<string> LabelsOf(int classes)
    {
        var names = start.Folder.ReadClasses();
        return names.Count == classes ? names : [.. Enumerable.Range(0, classes).Select(number => $"{number}")];
    }
}

internal static class EvaluationTable
{
    private const int MaxColumns = 20; // A wider matrix does not fit a terminal; the picture shows it

    public static void Write(IAnsiConsole console, EvaluationReport report)
    {
        if (report.Classes.Count == 0) return;
        var classes = new Table().AddColumns("class", "samples", "precision", "recall", "F1").Border(TableBorder.Simple);
        for (var i = 0; i < report.Classes.Count; i++)
        {
            var quality = report.Classes[i];
            classes.AddRow(
                Label(report, i), $"{quality.Samples}", Percent(quality.Precision), Percent(quality.Recall), Percent(quality.F1));
        }
        console.Write(classes);
        if (report.Confusion.Count > MaxColumns) return;
        var matrix = new Table().AddColumn("actual \\ predicted").Border(TableBorder.Simple);
        for (var i = 0; i < report.Confusion.Count; i++) matrix.AddColumn(new TableColumn(Label(report, i)).RightAligned());
        for (var i = 0; i < report.Confusion.Count; i++)
            matrix.AddRow([Label(report, i), .. report.Confusion[i].Select(count => count == 0 ? "." : $"{count}")]);
        console.Write(matrix);
    }

    /// <summary>Class names come from the data, such as names of folders, and may hold any characters.</summary>
    private static string Label(EvaluationReport report, int number) =>
        Markup.Escape(Shown.InFull(number < report.Labels.Count ? report.Labels[number] : $"{number}"));

    private static string Percent(double? share) =>
        share is { } known ? (100 * known).ToString("0.00", CultureInfo.InvariantCulture) + " %" : "-";
}
