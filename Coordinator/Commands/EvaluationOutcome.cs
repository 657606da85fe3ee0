using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Core.Reduction;
using Distributed.Core.Scores;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>What an evaluation has come to: its numbers, and of classes, what is taken for what.</summary>
/// <param name="folder">Where it is written.</param>
internal sealed class EvaluationOutcome(RunFolder folder, string name, Job job, string model, RunRecorder recorder, int workers) : IRunOutcome
{
    private readonly EpochResult? _last = recorder.Curves.LastEvaluation;
    private readonly double[] _tallies = [.. recorder.EvaluationTallies];
    private EvaluationReport? _report;

    public void Write()
    {
        // Behind the only other metric.
        const int FirstCount = Tally.FirstMetric + 1;
        if (_last is not { } last) throw new RunFailedException("the data has no test set: there is nothing to evaluate on");
        var matrix = job.PluginTask is null && job.Kind.Metric == Metric.Accuracy && _tallies.Length > FirstCount ? ConfusionMatrix.Of(_tallies.AsSpan(FirstCount)) : null;
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
        _report.Save(Path.Combine(folder.Path, "evaluation.json"));
        if (matrix is not null) ConfusionPicture.Save(Path.Combine(folder.Path, "confusion.png"), $"{name}: {last.TestMetric.Metric.Text(last.TestMetric.Value)} of {_report.Samples} right", matrix, labels);
        // A copy of what there is already.
        File.Delete(folder.InitialFile);
    }

    public void Tell()
    {
        EvaluationTable.Write(AnsiConsole.Console, _report!);
        Console.WriteLine($"Test {_last!.TestMetric}, loss {_report!.Loss:0.0000} over {_report.Samples} samples of {model}");
        Console.WriteLine($"Results: {folder.Path}");
    }

    /// <summary>As the workers call the classes, or else by their numbers.</summary>
    private IReadOnlyList<string> LabelsOf(int classes)
    {
        var names = folder.ReadClasses();
        return names.Count == classes ? names : [.. Enumerable.Range(0, classes).Select(number => $"{number}")];
    }
}
