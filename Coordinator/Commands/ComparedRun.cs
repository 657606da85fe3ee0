using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <param name="Losses">Training loss over the samples used so far, up to the first damaged line of the history.</param>
/// <param name="Damage">What is wrong with the history; null if nothing is.</param>
internal sealed record ComparedRun(string Name, Job Job, RunReport Report, IReadOnlyList<LossPoint> Losses, string? Damage)
{
    // For gradient descent the mean loss of the steps of the last epoch, for a search the lowest loss of a step, which is that of the
    // final parameters.
    public double TrainLoss => Job.Optimizer is SearchSpec && Losses is [.., var last] ? last.Loss : Report.TrainLoss;

    /// <exception cref="RunFolderException">The folder holds no finished run, or a damaged one.</exception>
    public static ComparedRun Read(string folder, string name)
    {
        string In(string file) => Path.Combine(folder, file);
        if (!Directory.Exists(folder)) throw new RunFolderException($"'{folder}' does not exist; give the folders of finished runs");
        if (!File.Exists(In(RunFiles.Job)))
            throw new RunFolderException($"'{folder}' holds no run: it has no {RunFiles.Job}; give the folders of finished runs");
        if (!File.Exists(In(RunFiles.Report)))
            throw new RunFolderException($"the run in '{folder}' is not finished: it has no {RunFiles.Report}. "
                + $"Wait for its end, or continue it: train --resume --run {folder}");
        var job = JobFile.Load(In(RunFiles.Job));
        var report = RunReport.Load(In(RunFiles.Report));
        if (job.IsEvaluation || report.Steps == 0)
            throw new RunFolderException($"the run in '{folder}' has trained nothing: there is no loss to compare");
        if (!File.Exists(In(RunFiles.History))) throw new RunFolderException($"'{In(RunFiles.History)}' is missing");
        // Without a test set, so that a round is a step.
        var rounds = job.ToShape().RoundsOf((int)(report.SamplesExpected / job.Epochs), 0);
        if (report.Steps > rounds.Steps)
            throw new RunFolderException($"the run of {report.Job} has {report.Steps} steps; its job and its samples make {rounds.Steps}");

        List<LossPoint> points = [];
        var (samples, lowest) = (0L, double.PositiveInfinity);
        var (found, _) = new RecordedLines(LocalDisk.Instance, folder).History(most: report.Steps, tell: row =>
        {
            samples += rounds.At(row.Step - 1).Samples;
            lowest = row.Loss < lowest ? row.Loss : lowest;
            LossPoint.Add(points, samples, job.Optimizer is SearchSpec ? lowest : row.Loss);
        });
        var path = In(RunFiles.History);
        return new(name, job, report, points, found.Fault is { } line ? $"'{path}': line {line} cannot be read; its curve ends there"
            : found.Lines < report.Steps ? $"'{path}' has {found.Lines} steps; {RunFiles.Report} says {report.Steps}: its curve ends there"
            : null);
    }
}

/// <param name="Samples">Samples used so far, including those of the last step.</param>
/// <param name="Loss">Mean loss of the steps' batches; for a search the lowest so far.</param>
/// <param name="Steps">Steps that the point stands for: steps that no picture could tell apart are merged.</param>
internal readonly record struct LossPoint(long Samples, double Loss, long Steps = 1)
{
    private const int PlacesPerDecade = 1000; // Resolution of the logarithmic axis; finer than any picture

    /// <summary>Adds the next step. The list stays within some thousands of points for any number of steps.</summary>
    public static void Add(List<LossPoint> points, long samples, double loss)
    {
        if (points is [.., var last] && PlaceOf(last.Samples) == PlaceOf(samples) && double.IsFinite(loss) && double.IsFinite(last.Loss))
            points[^1] = new(samples, last.Loss + ((loss - last.Loss) / (last.Steps + 1)), last.Steps + 1);
        else if (points.Count == 0 || double.IsFinite(loss) || double.IsFinite(points[^1].Loss)) points.Add(new(samples, loss));
    }

    private static int PlaceOf(long samples) => (int)(PlacesPerDecade * Math.Log10(samples));
}
