using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>A run's folder. What is not there, or damaged, is null; whether it should be there, <see cref="Damage"/> says.</summary>
internal sealed record RunInspection : IInspection
{
    private const string CheckpointPattern = "step-*";

    /// <summary>Shared by the copies that are made while the folder is read.</summary>
    private readonly List<string> _damage = [];

    private RunInspection(string folder) => Folder = folder;

    public string Kind => "run";

    public string Folder { get; }

    /// <summary>finished, or unfinished: no report has been written yet.</summary>
    public string State { get; private init; } = "unfinished";

    public JobSummary? Job { get; private init; }

    public HistoryRow? LastStep { get; private init; }

    public EpochResult? LastEvaluation { get; private init; }

    public RunReport? Report { get; private init; }

    public TensorFileInspection? Model { get; private init; }

    /// <summary>In the order of their names, which is that of their steps.</summary>
    public IReadOnlyList<CheckpointInspection> Checkpoints { get; private init; } = [];

    public IReadOnlyList<string> Damage => _damage;

    public static bool Is(string folder) =>
        File.Exists(Path.Combine(folder, RunFiles.Job)) || File.Exists(Path.Combine(folder, RunFiles.Report));

    /// <summary>Reads the folder; the run may go on meanwhile.</summary>
    public static RunInspection Read(string folder)
    {
        var empty = new RunInspection(folder);
        var finished = File.Exists(empty.In(RunFiles.Report));
        var run = empty with
        {
            State = finished ? "finished" : "unfinished",
            Job = empty.Try(RunFiles.Job, isNeeded: true, path => JobSummary.Of(JobFile.Load(path))),
            LastStep = empty.Try(RunFiles.History, finished, path => empty.LastOf<HistoryRow>(path, tell => new RecordedLines(LocalDisk.Instance, folder).History(tell: tell).Found)),
            Report = empty.Try(RunFiles.Report, isNeeded: false, RunReport.Load),
            Model = empty.Try(RunFiles.Model, finished, TensorFileInspection.Read),
            Checkpoints = empty.ReadCheckpoints(),
        };
        if (run.Job is { } job) run = run with { LastEvaluation = run.Try(RunFiles.Evaluations, isNeeded: false, path => run.LastOf<EpochResult>(path, tell => new RecordedLines(LocalDisk.Instance, folder).Evaluations(job.Metric, tell: tell).Found)) };
        run._damage.AddRange([.. run.Model?.Damage ?? [], .. run.Checkpoints.SelectMany(checkpoint => checkpoint.Damage)]);
        if (run is { Report: { } report, Model.TensorsSha256: { } sum } && sum != report.ParametersSha256)
            run._damage.Add($"'{run.In(RunFiles.Model)}' is not what was trained: the SHA-256 of its tensors is {sum}; {RunFiles.Report} says {report.ParametersSha256}");
        return run;
    }

    /// <summary>What is damaged is told, and the rest is read all the same.</summary>
    private T? Try<T>(string name, bool isNeeded, Func<string, T?> read)
        where T : class
    {
        var path = In(name);
        try
        {
            if (File.Exists(path)) return read(path);
            if (isNeeded) _damage.Add($"'{path}' is missing");
        }
        catch (Exception error) when (error is RunFolderException or JobException)
        {
            _damage.Add(error.Message);
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            _damage.Add($"'{path}' is damaged: {error.Message}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _damage.Add($"'{path}' cannot be read: {error.Message}");
        }
        return null;
    }

    private CheckpointInspection[] ReadCheckpoints()
    {
        var folder = In(RunFiles.Checkpoints);
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateDirectories(folder, CheckpointPattern).Order(StringComparer.Ordinal).Select(CheckpointInspection.Read)]
            : [];
    }

    /// <summary>The last line that a resume would keep; a damaged one behind it is told.</summary>
    private T? LastOf<T>(string path, Func<Action<T>, FoundLines> read)
        where T : class
    {
        T? last = null;
        var found = read(next => last = next);
        if (found.Fault is { } line) _damage.Add($"'{path}' is damaged: line {line} cannot be read; a resume drops it and the {found.Behind - 1} line(s) behind it");
        return last;
    }

    private string In(string name) => Path.Combine(Folder, name);
}
