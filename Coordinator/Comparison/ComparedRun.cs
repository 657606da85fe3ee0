using Distributed.Coordinator.Runs;
using Distributed.Shared.Jobs;
using Distributed.Shared.Protocol;
using Distributed.Shared.Runs;

namespace Distributed.Coordinator.Comparison;

/// <summary>A finished run, as it stands beside others.</summary>
/// <param name="Name">What it is called among them.</param>
/// <param name="Job">The job.</param>
/// <param name="Report">The run in numbers.</param>
/// <param name="Losses">Its training loss over the samples that were used so far, a point a step; see <see cref="TrainLoss"/>.</param>
public sealed record ComparedRun(string Name, Job Job, RunReport Report, IReadOnlyList<LossPoint> Losses)
{
    private const long MaxHistoryBytes = 256 << 20;

    /// <summary>
    /// What the parameters came to on the training set: for descent the mean loss of the steps of the last epoch, for a search the
    /// lowest loss of a step, which is that of the parameters that it ends with.
    /// </summary>
    public double TrainLoss => Job.Optimizer is SearchSpec ? Losses[^1].Loss : Report.TrainLoss;

    /// <summary>Reads the folder of a finished run.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">What the run is to be called.</param>
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
        return new(name, job, report, Points(job, report, ReadHistory(In(RunFiles.History), report)));
    }

    private static HistoryRow[] ReadHistory(string path, RunReport report)
    {
        if (!File.Exists(path)) throw new RunFolderException($"'{path}' is missing");
        if (new FileInfo(path).Length is var length && length > MaxHistoryBytes)
            throw new RunFolderException($"'{path}' has {length} bytes; at most {MaxHistoryBytes} can be compared");
        HistoryRow[] rows;
        try
        {
            rows = [.. LineLog.Lines(path, HistoryRow.Header).Select(HistoryRow.Parse)];
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new RunFolderException($"'{path}' is damaged: {error.Message}", error);
        }
        for (var i = 0; i < rows.Length; i++)
            if (rows[i].Step != i + 1) throw new RunFolderException($"'{path}' is damaged: step {rows[i].Step} stands where step {i + 1} should");
        return rows.Length == report.Steps
            ? rows
            : throw new RunFolderException($"'{path}' is damaged: it has {rows.Length} steps; {RunFiles.Report} says {report.Steps}");
    }

    private static LossPoint[] Points(Job job, RunReport report, HistoryRow[] rows)
    {
        // Without a test set, so that a round is a step.
        var rounds = JobShape.Of(job).RoundsOf((int)(report.SamplesExpected / job.Epochs), 0);
        if (rows.Length > rounds.Steps) throw new RunFolderException($"the run of {report.Job} has {rows.Length} steps; its job and its samples make {rounds.Steps}");
        var points = new LossPoint[rows.Length];
        var (samples, lowest) = (0L, double.PositiveInfinity);
        for (var i = 0; i < rows.Length; i++)
        {
            samples += rounds.At(i).Samples;
            lowest = rows[i].Loss < lowest ? rows[i].Loss : lowest;
            points[i] = new(samples, job.Optimizer is SearchSpec ? lowest : rows[i].Loss);
        }
        return points;
    }
}

/// <summary>The training loss at a place of a run.</summary>
/// <param name="Samples">Samples that were used until then, those of the step included.</param>
/// <param name="Loss">The loss of the step's batch; for a search the lowest so far.</param>
public readonly record struct LossPoint(long Samples, double Loss);
