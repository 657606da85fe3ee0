using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Commands;

/// <summary>What a training has come to: the model, a picture of how it learned, and the run in numbers.</summary>
internal sealed class TrainingOutcome : IRunOutcome
{
    private const int ShownGenerations = 10;
    private const int ShownDigits = 16;

    private readonly RunFolder _folder;
    private readonly RunJournal _journal;
    private readonly RunCurves _curves;
    private readonly byte[] _state;
    private RunReport _report;

    /// <param name="folder">Where it is written.</param>
    public TrainingOutcome(RunFolder folder, string jobName, RunJournal journal, RunRecorder recorder, RunResult result)
    {
        (_folder, _journal, _curves, _state) = (folder, journal, recorder.Curves, result.State);
        _report = recorder.Report(jobName, "", result.Workers, result.Generations, result.StepsRedone);
    }

    public void Write()
    {
        var model = TrainedModel.Of(_state);
        _report = _report with { ParametersSha256 = model.ParametersSha256 };
        AtomicFile.Write(_folder.ModelFile, model.Write);
        // One that has lost lines stays without them; the model is what counts.
        if (!_journal.IsOverfull) _journal.FlushToDisk();
        LossPlot.Save(_folder.LossPicture, _report.Job, _curves);
        // Last: with it, the run is finished.
        _report.Save(_folder.ReportFile);
    }

    public void Tell()
    {
        Console.WriteLine($"Trained {_report.Steps} steps in {_report.Seconds:0.0} s ({_report.StepsPerSecond:0.0} steps/s) with {_report.Workers} worker(s): {_report.SamplesApplied} of {_report.SamplesExpected} samples applied.");
        if (_report.Reconfigurations.Count > 0)
            Console.WriteLine($"{_report.Generations} generations, {_report.StepsRedone} steps done again; {string.Join("; ", _report.Reconfigurations.Select(g => $"{g.Number}: {g.Reason}").TakeLast(ShownGenerations))}");
        // A task of the user's own may have no test samples.
        var tested = _curves.LastEvaluation is { } last ? $"Test {last.TestMetric}, test loss {last.TestLoss:0.0000}, parameters" : "Parameters";
        Console.WriteLine($"{tested} {_report.ParametersSha256[..ShownDigits]}");
        Console.WriteLine($"Results: {_folder.Path}");
    }
}
