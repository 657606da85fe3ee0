using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>A finished run, as it stands beside others.</summary>
/// <param name="Name">What it is called among them.</param>
/// <param name="Losses">Its training loss over the samples that were used so far, as far as its history can be read; see <see cref="TrainLoss"/>.</param>
/// <param name="Damage">What is wrong with its history; null if nothing is.</param>
internal sealed record ComparedRun(string Name, Job Job, RunReport Report, IReadOnlyList<LossPoint> Losses, string? Damage)
{
    /// <summary>
    /// What the parameters came to on the training set: for descent the mean loss of the steps of the last epoch, for a search the
    /// lowest loss of a step, which is that of the parameters that it ends with.
    /// </summary>
    public double TrainLoss => Job.Optimizer is SearchSpec && Losses is [.., var last] ? last.Loss : Report.TrainLoss;

    /// <exception cref="RunFolderException">It holds none, or it is damaged.</exception>
    /// <exception cref="JobException">Its job cannot be read.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read.</exception>
    public static ComparedRun Read(string folder, string name)
    {
        string In(string file) => Path.Combine(folder, file);
        if (!Directory.Exists(folder)) throw new RunFolderException($"'{folder}' does not exist; give the folders of finished runs");
        if (!File.Exists(In(RunFiles.Job))) throw new RunFolderException($"'{folder}' holds no run: it has no {RunFiles.Job}; give the folders of finished runs");
        if (!File.Exists(In(RunFiles.Report)))
            throw new RunFolderException($"the run in '{folder}' is not finished: it has no {RunFiles.Report}. Wait for its end, or go on with it: train --resume --run {folder}");
        var job = JobFile.Load(In(RunFiles.Job));
        var report = RunReport.Load(In(RunFiles.Report));
        if (job.IsEvaluation || report.Steps == 0) throw new RunFolderException($"the run in '{folder}' has trained nothing: there is no loss to compare");
        return Read(folder, name, job, report);
    }

    private static ComparedRun Read(string folder, string name, Job job, RunReport report)
    {
        var path = Path.Combine(folder, RunFiles.History);
        if (!File.Exists(path)) throw new RunFolderException($"'{path}' is missing");
        // Without a test set, so that a round is a step.
        var rounds = job.ToShape().RoundsOf((int)(report.SamplesExpected / job.Epochs), 0);
        if (report.Steps > rounds.Steps) throw new RunFolderException($"the run of {report.Job} has {report.Steps} steps; its job and its samples make {rounds.Steps}");
        List<LossPoint> points = [];
        var (samples, lowest) = (0L, double.PositiveInfinity);
        var (found, _) = new RecordedLines(LocalDisk.Instance, folder).History(most: report.Steps, tell: row =>
        {
            samples += rounds.At(row.Step - 1).Samples;
            lowest = row.Loss < lowest ? row.Loss : lowest;
            LossPoint.Add(points, samples, job.Optimizer is SearchSpec ? lowest : row.Loss);
        });
        return new(name, job, report, points, found.Fault is { } line ? $"'{path}': line {line} cannot be read; its curve ends there"
            : found.Lines < report.Steps ? $"'{path}' has {found.Lines} steps; {RunFiles.Report} says {report.Steps}: its curve ends there"
            : null);
    }
}
