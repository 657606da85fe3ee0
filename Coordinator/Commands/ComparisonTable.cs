using Distributed.Core.Scores;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>Runs side by side, a row each.</summary>
internal static class ComparisonTable
{
    private const int ShownDigits = 16;

    public static Table Of(IEnumerable<ComparedRun> runs)
    {
        var table = PlainTable.With("run", "optimizer", "batch>", "steps>", "samples>", "train loss>", "test loss>", "test metric>", "seconds>", "parameters");
        foreach (var run in runs)
        {
            var report = run.Report;
            table.AddTexts(
                run.Name, run.Job.Optimizer.Summarize(), run.Job.BatchText, Text($"{report.Steps}"), Text($"{report.SamplesApplied}"),
                Text($"{run.TrainLoss:0.0000}"), report.TestLoss is { } loss ? Text($"{loss:0.0000}") : "", report.TestMetric is { } metric ? $"{new MetricValue(run.Job.Kind.Metric, metric)}" : "",
                Text($"{report.Seconds:0.0}"), report.ParametersSha256[..Math.Min(ShownDigits, report.ParametersSha256.Length)]);
        }
        return table;
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
