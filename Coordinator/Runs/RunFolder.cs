using System.Globalization;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Security;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <summary>How far the run in a folder is.</summary>
internal enum RunStage
{
    /// <summary>There is none, or nobody had a part in it yet.</summary>
    New,

    Begun,

    Finished,
}

/// <summary>
/// Where one run leaves what it made. While this is not disposed, no other process can take the folder
/// (<see cref="RunLock"/>); what the folder holds is judged only then.
/// </summary>
internal sealed class RunFolder : IDisposable
{
    /// <summary>Name of <see cref="StateFile"/> in the folder.</summary>
    public const string StateName = "coordinator.json";

    private readonly RunLock _lock;

    private RunFolder(string path, RunLock @lock) => (Path, _lock) = (path, @lock);

    /// <summary>The folder, as a full path.</summary>
    public string Path { get; }

    /// <summary>Cancelled when a process on another machine has taken the folder over: this process must not write to it any more.</summary>
    public CancellationToken Lost => _lock.Lost;

    /// <summary>How far the run in the folder is.</summary>
    public RunStage Stage => StageOf(Path);

    public string JobFile => In(RunFiles.Job);

    /// <summary>What the data is like, as the workers have found it.</summary>
    public string DataFile => In(RunFiles.Data);

    public string ModelFile => In(RunFiles.Model);

    /// <summary>One line a step; grows while the run goes on.</summary>
    public string HistoryFile => In(RunFiles.History);

    /// <summary>One line an evaluation; grows too.</summary>
    public string EvaluationsFile => In(RunFiles.Evaluations);

    /// <summary>What has happened, a line of JSON each; grows too.</summary>
    public string EventsFile => In(RunFiles.Events);

    /// <summary>What a coordinator needs that is started again in the place of one that was killed.</summary>
    public string StateFile => In(StateName);

    /// <summary>What every process of the run has to hold, where there are no certificates and no other file was named.</summary>
    public string TokenFile => In(JoinTokenFile.Name);

    /// <summary>The trained model as TorchScript, where it has begun as that.</summary>
    public string TorchScriptFile => In(RunFiles.TorchScript);

    public string LossPicture => In(RunFiles.LossPicture);

    /// <summary>What the trained model makes of test samples; not every task has it.</summary>
    public string Picture => In(RunFiles.Picture);

    public string ReportFile => In(RunFiles.Report);

    /// <summary>The parameters that it began with, where they were not drawn from the seed.</summary>
    public string InitialFile => In("init.safetensors");

    public string Checkpoints => In(RunFiles.Checkpoints);

    public string TensorBoard => In("tensorboard");

    public string Logs => In("logs");

    /// <summary>Creates the folder of a new run, or takes an existing one that holds none.</summary>
    /// <param name="path">
    /// The folder; null for <c>yyyyMMdd-HHmmss-JOB</c> in <paramref name="root"/>, with <c>-2</c>, <c>-3</c>… behind it where
    /// that is taken.
    /// </param>
    /// <param name="jobName">Part of a default folder's name, where what does not suit a file's name becomes <c>-</c>.</param>
    /// <param name="overwrite">
    /// Whether an old run may be removed from <paramref name="path"/>: only the files that a run writes, nothing else.
    /// </param>
    /// <param name="root">Where default folders are; from the working directory.</param>
    /// <param name="time">The clock that names a default folder.</param>
    /// <exception cref="RunFolderException">
    /// The folder holds a run and <paramref name="overwrite"/> is false, another process uses it, or it cannot be written to.
    /// </exception>
    public static RunFolder Create(
        string? path, string jobName, bool overwrite, string root = "runs", TimeProvider? time = null)
    {
        if (path is null)
            return CreateDefault(root, jobName, time ?? TimeProvider.System);

        return Take(path).ForNewRun(overwrite);
    }

    /// <summary>Takes a folder, whatever it holds; one that does not exist is created.</summary>
    /// <exception cref="RunFolderException">Another process uses it, or it cannot be written to.</exception>
    public static RunFolder Take(string path) => TryLock(path, out var holder)
        ?? throw new RunFolderException(
            $"Another run is writing to '{path}'{Named(holder)}. Wait for it to end, or choose another folder with --run.");

    /// <summary>Takes the folder of a run that was not finished.</summary>
    /// <exception cref="RunFolderException">There is none, it is finished, or another process uses it.</exception>
    public static RunFolder Resume(string path)
    {
        if (!Directory.Exists(path)) throw new RunFolderException($"'{path}' does not exist. Give the folder of the run with --run.");
        var folder = TryLock(path, out var holder)
            ?? throw new RunFolderException(
                $"The run in '{path}' has a coordinator{Named(holder)}. It can be resumed when that has ended: wait for it, or end it.");
        return folder.ForItsRun();
    }

    /// <summary>This folder, emptied for a new run. Where it throws, the folder is released.</summary>
    /// <param name="overwrite">Whether an old run may be removed.</param>
    /// <exception cref="RunFolderException">It holds a run and <paramref name="overwrite"/> is false, or it cannot be emptied.</exception>
    public RunFolder ForNewRun(bool overwrite)
    {
        if (!HoldsRun || overwrite) return Emptied();
        Dispose();
        throw new RunFolderException($"'{Path}' already holds a run. Add --overwrite to replace it, or choose another folder with --run.");
    }

    /// <summary>This folder, for its run to continue. Where it throws, the folder is released.</summary>
    /// <exception cref="RunFolderException">It holds no run, or one that is finished.</exception>
    public RunFolder ForItsRun()
    {
        var isFinished = File.Exists(ReportFile);
        if (!isFinished && File.Exists(JobFile)) return this;
        Dispose();
        throw new RunFolderException(isFinished
            ? $"The run in '{Path}' is finished: there is nothing to resume."
            : $"'{Path}' holds no run that could be resumed.");
    }

    /// <summary>How far the run in a folder is. The folder need not be there.</summary>
    public static RunStage StageOf(string path) =>
        File.Exists(System.IO.Path.Combine(path, RunFiles.Report)) ? RunStage.Finished
        : File.Exists(System.IO.Path.Combine(path, StateName)) ? RunStage.Begun
        : RunStage.New;

    /// <summary>The names of the data's classes; none where they are not known.</summary>
    public IReadOnlyList<string> ReadClasses()
    {
        try
        {
            return new FileInfo(DataFile) is { Exists: true, Length: <= DataDescription.MaxBytes } ? DataDescription.Parse(File.ReadAllText(DataFile)).Classes : [];
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
            if (!folder.HoldsRun)
                return folder.Emptied();
            folder.Dispose();
        }
    }

    /// <returns>Null when another process holds the folder.</returns>
    private static RunFolder? TryLock(string path, out HolderMark? holder)
    {
        try
        {
            var full = Directory.CreateDirectory(path).FullName;
            var @lock = RunLock.TryTake(full, HolderMark.ThisMachine, TimeProvider.System, Console.WriteLine, out holder);
            return @lock is null ? null : new(full, @lock);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
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
            foreach (var file in (string[])[JobFile, DataFile, ModelFile, TorchScriptFile, HistoryFile, EvaluationsFile, EventsFile, StateFile, TokenFile, InitialFile, LossPicture, Picture, ReportFile])
            {
                File.Delete(file);
                File.Delete(file + AtomicFile.TemporaryEnding);
            }
            CheckpointStore.Clear(Checkpoints);
            TensorBoardFolder.Clear(TensorBoard);
            Directory.CreateDirectory(Logs);
            FlushName();
            foreach (var log in Directory.EnumerateFiles(Logs, "*.log"))
                File.Delete(log);
            return this;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Dispose();
            throw new RunFolderException($"'{Path}' cannot be emptied of its old run: {e.Message}", e);
        }
    }

    /// <summary>What is flushed within a folder whose own name is not on the disk would be nowhere.</summary>
    private void FlushName()
    {
        try
        {
            if (System.IO.Path.GetDirectoryName(Path) is { } parent) LocalDisk.Instance.FlushFolder(parent);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            // It may not be read by this user; most file systems flush the name with the first file.
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private static string FileName(string jobName) =>
        string.Concat(jobName.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-'));
}
