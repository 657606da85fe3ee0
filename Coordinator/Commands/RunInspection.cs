using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Commands;

/// <summary>The content of a run folder. What is missing or damaged is null; <see cref="Damage"/> says whether that is a fault.</summary>
internal sealed class RunInspection : IInspection
{
    private const string CheckpointPattern = "step-*";

    private readonly List<string> _damage = [];

    private RunInspection(string folder)
    {
        Folder = folder;
        var isFinished = File.Exists(In(RunFiles.Report));
        State = isFinished ? "finished" : "unfinished";
        var recorded = new RecordedLines(LocalDisk.Instance, folder);
        Job = Try(RunFiles.Job, isNeeded: true, path => JobSummary.Of(JobFile.Load(path)));
        LastStep = Try(RunFiles.History, isFinished, path => LastOf<HistoryRow>(path, tell => recorded.History(tell: tell).Found));
        Report = Try(RunFiles.Report, isNeeded: false, RunReport.Load);
        Model = Try(RunFiles.Model, isFinished, TensorFileInspection.Read);
        if (Directory.Exists(In(RunFiles.Checkpoints)))
        {
            Checkpoints = [.. Directory.EnumerateDirectories(In(RunFiles.Checkpoints), CheckpointPattern)
                .Order(StringComparer.Ordinal).Select(CheckpointInspection.Read)];
        }
        if (Job is { } job)
            LastEvaluation = Try(RunFiles.Evaluations, isNeeded: false, path =>
                LastOf<EpochResult>(path, tell => recorded.Evaluations(job.Metric, tell: tell).Found));
        _damage.AddRange([.. Model?.Damage ?? [], .. Checkpoints.SelectMany(checkpoint => checkpoint.Damage)]);
        if (Report is { } report && Model?.TensorsSha256 is { } sum && sum != report.ParametersSha256)
            _damage.Add($"'{In(RunFiles.Model)}' is not the trained model: the SHA-256 of its tensors is {sum}; "
                + $"{RunFiles.Report} says {report.ParametersSha256}");
    }

    public string Kind => "run";
    public string Folder { get; }
    public string State { get; } // finished, or unfinished: no report has been written yet
    public JobSummary? Job { get; }
    public HistoryRow? LastStep { get; }
    public EpochResult? LastEvaluation { get; }
    public RunReport? Report { get; }
    public TensorFileInspection? Model { get; }
    public IReadOnlyList<CheckpointInspection> Checkpoints { get; } = []; // Ordered by name, which is the order of their steps
    public IReadOnlyList<string> Damage => _damage;

    public static bool Is(string folder) =>
        File.Exists(Path.Combine(folder, RunFiles.Job)) || File.Exists(Path.Combine(folder, RunFiles.Report));

    public static RunInspection Read(string folder) => new(folder);
    private string In(string name) => Path.Combine(Folder, name);

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

    /// <summary>The last line that a resume would keep; reports a damaged line after it.</summary>
    private T? LastOf<T>(string path, Func<Action<T>, FoundLines> read)
        where T : class
    {
        T? last = null;
        var found = read(next => last = next);
        if (found.Fault is { } line)
            _damage.Add($"'{path}' is damaged: line {line} cannot be read; "
                + $"a resume drops it and the {found.Behind - 1} line(s) behind it");
        return last;
    }
}
