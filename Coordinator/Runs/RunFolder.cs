using System.Globalization;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Security;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <summary>A run folder that cannot be used. The message says what was found and what to do.</summary>
internal sealed class RunFolderException(string message, Exception? cause = null) : Exception(message, cause);

internal enum RunStage
{
    // There is no run, or it has not had a worker yet.
    New,
    Begun,
    Finished,
}

// The files of one run. No other process can take the folder until this is disposed (RunLock), so its content is inspected
// only after it is locked.
internal sealed class RunFolder : IDisposable
{
    public const string StateName = "coordinator.json";

    private readonly RunLock _lock;

    private RunFolder(string path, RunLock @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; } // The full path.

    /// <summary>Cancelled when a process on another machine has taken the folder over: this process must stop writing.</summary>
    public CancellationToken Lost => _lock.Lost;
    public RunStage Stage => StageOf(Path);
    public string JobFile => In(RunFiles.Job);
    public string DataFile => In(RunFiles.Data);
    public string ModelFile => In(RunFiles.Model);
    public string HistoryFile => In(RunFiles.History);
    public string EvaluationsFile => In(RunFiles.Evaluations);
    public string EventsFile => In(RunFiles.Events);
    public string StateFile => In(StateName);
    public string TokenFile => In(JoinTokenFile.Name);
    public string TorchScriptFile => In(RunFiles.TorchScript);
    public string LossPicture => In(RunFiles.LossPicture);
    public string Picture => In(RunFiles.Picture);
    public string ReportFile => In(RunFiles.Report);
    public string InitialFile => In("init.safetensors");
    public string Checkpoints => In(RunFiles.Checkpoints);
    public string TensorBoard => In("tensorboard");
    public string Logs => In("logs");

    /// <summary>Creates the folder of a new run, or takes an existing folder without a run.</summary>
    /// <param name="path">Null for <c>yyyyMMdd-HHmmss-JOB</c>, followed by <c>-2</c>, <c>-3</c>… if that is taken.</param>
    /// <param name="overwrite">Whether to remove an old run from <paramref name="path"/>: only the files that a run writes.</param>
    public static RunFolder Create(string? path, string jobName, bool overwrite, string root = "runs", TimeProvider? time = null) =>
        path is null ? CreateDefault(root, jobName, time ?? TimeProvider.System) : Take(path).ForNewRun(overwrite);

    public static RunFolder Take(string path) => TryLock(path, out var holder)
        ?? throw new RunFolderException(
            $"Another run is writing to '{path}'{Named(holder)}. Wait for it to end, or choose another folder with --run.");

    public static RunFolder Resume(string path)
    {
        if (!Directory.Exists(path)) throw new RunFolderException($"'{path}' does not exist. Give the folder of the run with --run.");
        var folder = TryLock(path, out var holder)
            ?? throw new RunFolderException(
                $"The run in '{path}' has a coordinator{Named(holder)}. It can be resumed when that has ended: wait for it, or end it.");
        return folder.ForItsRun();
    }

    /// <summary>Empties this folder for a new run. Releases the folder if it throws.</summary>
    public RunFolder ForNewRun(bool overwrite)
    {
        if (!HoldsRun || overwrite) return Emptied();
        Dispose();
        throw new RunFolderException($"'{Path}' already holds a run. Add --overwrite to replace it, or choose another folder with --run.");
    }

    /// <summary>Checks that the folder holds an unfinished run. Releases the folder if it throws.</summary>
    public RunFolder ForItsRun()
    {
        var isFinished = File.Exists(ReportFile);
        if (!isFinished && File.Exists(JobFile)) return this;
        Dispose();
        throw new RunFolderException(isFinished
            ? $"The run in '{Path}' is finished: there is nothing to resume."
            : $"'{Path}' holds no run that could be resumed.");
    }

    public static RunStage StageOf(string path) =>
        File.Exists(System.IO.Path.Combine(path, RunFiles.Report)) ? RunStage.Finished
        : File.Exists(System.IO.Path.Combine(path, StateName)) ? RunStage.Begun
        : RunStage.New;

    public IReadOnlyList<string> ReadClasses()
    {
        try
        {
            return new FileInfo(DataFile) is { Exists: true, Length: <= DataDescription.MaxBytes }
                ? DataDescription.Parse(File.ReadAllText(DataFile)).Classes : [];
        }
        catch (FormatException)
        {
            return [];
        }
    }

    public void Dispose() => _lock.Dispose();

    private static RunFolder CreateDefault(string root, string jobName, TimeProvider time)
    {
        var name = time.GetLocalNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture) + "-" + FileName(jobName);
        for (var attempt = 1; ; attempt++)
        {
            if (TryLock(System.IO.Path.Combine(root, attempt == 1 ? name : $"{name}-{attempt}"), out _) is not { } folder)
                continue;
            if (!folder.HoldsRun) return folder.Emptied();
            folder.Dispose();
        }
    }

    private static RunFolder? TryLock(string path, out HolderMark? holder)
    {
        try
        {
            var full = Directory.CreateDirectory(path).FullName;
            var @lock = RunLock.TryTake(full, HolderMark.ThisMachine, TimeProvider.System, Console.WriteLine, out holder);
            return @lock is null ? null : new(full, @lock);
        }
        catch (Exception e) when (StorageError.Is(e) || e is ArgumentException)
        {
            throw new RunFolderException($"'{path}' cannot be a run's folder: {e.Message} Choose another folder with --run.", e);
        }
    }

    private static string Named(HolderMark? holder) => holder is null ? "" : $" ({holder})";

    private bool HoldsRun => File.Exists(JobFile) || File.Exists(ReportFile) || File.Exists(ModelFile);

    private RunFolder Emptied()
    {
        try
        {
            foreach (var file in (string[])
            [
                JobFile, DataFile, ModelFile, TorchScriptFile, HistoryFile, EvaluationsFile, EventsFile, StateFile, TokenFile, InitialFile,
                LossPicture, Picture, ReportFile,
            ])
            {
                File.Delete(file);
                File.Delete(file + AtomicFile.TemporaryEnding);
            }
            CheckpointStore.Clear(Checkpoints);
            TensorBoardFolder.Clear(TensorBoard);
            Directory.CreateDirectory(Logs);
            // Files in a folder whose own name is not on the disk would be lost. If the user may not read the parent, most file systems
            // still flush the name with the first file.
            if (System.IO.Path.GetDirectoryName(Path) is { } parent) StorageError.Ignore(() => LocalDisk.Instance.FlushFolder(parent));
            foreach (var log in Directory.EnumerateFiles(Logs, "*.log")) File.Delete(log);
            return this;
        }
        catch (Exception e) when (StorageError.Is(e))
        {
            Dispose();
            throw new RunFolderException($"'{Path}' cannot be emptied of its old run: {e.Message}", e);
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private static string FileName(string jobName) =>
        string.Concat(jobName.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-'));
}
