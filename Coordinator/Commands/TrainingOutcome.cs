using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Commands;

/// <summary>Writes the trained model, the loss curve and the report of a training.</summary>
internal sealed class TrainingOutcome(RunStart start, RunJournal journal, RunRecorder recorder, RunResult result) : IRunOutcome
{
    private const int ShownGenerations = 10;
    private const int ShownDigits = 16;

    private readonly RunFolder _folder = start.Folder;
    private readonly RunCurves _curves = recorder.Curves;
    private RunReport _report = recorder.Report(start.State.JobName, "", result.Workers, result.Generations, result.StepsRedone);

    public void Write()
    {
        var model = TrainedModel.Of(result.State);
        _report = _report with { ParametersSha256 = model.ParametersSha256 };
        AtomicFile.Write(_folder.ModelFile, model.Write);
        // A journal that has lost lines stays incomplete; the model is what counts.
        if (!journal.IsOverfull) journal.FlushToDisk();
        LossPlot.Save(_folder.LossPicture, _report.Job, _curves);
        // Last: the report marks the run as finished.
        _report.Save(_folder.ReportFile);
    }

    public void Tell()
    {
        Console.WriteLine($"Trained {_report.Steps} steps in {_report.Seconds:0.0} s ({_report.StepsPerSecond:0.0} steps/s) "
            + $"with {_report.Workers} worker(s): {_report.SamplesApplied} of {_report.SamplesExpected} samples applied.");
        var reasons = _report.Reconfigurations.Select(g => $"{g.Number}: {g.Reason}").TakeLast(ShownGenerations).ToList();
        if (reasons.Count > 0)
            Console.WriteLine($"{_report.Generations} generations, {_report.StepsRedone} steps redone; {string.Join("; ", reasons)}");
        // A task from a plugin may have no test samples.
        var tested = _curves.LastEvaluation is { } last
            ? $"Test {last.TestMetric}, test loss {last.TestLoss:0.0000}, parameters" : "Parameters";
        Console.WriteLine($"{tested} {_report.ParametersSha256[..ShownDigits]}");
        Console.WriteLine($"Results: {_folder.Path}");
    }
}
