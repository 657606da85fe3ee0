using System.Text;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The lock of a run folder: a file that the operating system locks for as long as its holder lives. Some network file systems
/// do not share locks between machines (NFS without its lock service), so the holder also renews a mark beside it. A process on another
/// machine respects a mark that changes, and takes over one that has not changed for <see cref="Silence"/>. A holder whose mark was
/// replaced learns of it.
/// </summary>
internal sealed class RunLock : IDisposable
{
    public const string FileName = "run.lock";

    /// <summary>The file with the holder's <see cref="HolderMark"/>.</summary>
    public const string MarkName = "run.holder";

    private const int LockedOnLinux = 11, LockedOnMacOS = 35, LockedOnWindows = unchecked((int)0x80070020);

    private readonly Lock _gate = new();
    private readonly FileStream _file;
    private readonly string _markPath;
    private readonly ITimer _renewal;
    private readonly CancellationTokenSource _lost = new();
    private HolderMark _mark;
    private bool _isDisposed;

    private RunLock(FileStream file, string markPath, HolderMark mark, TimeProvider time)
    {
        (_file, _markPath, _mark, Lost) = (file, markPath, mark, _lost.Token);
        Replace(_markPath, mark);
        _renewal = time.CreateTimer(_ => Renew(), null, Renewal, Renewal);
    }

    public static TimeSpan Renewal { get; } = TimeSpan.FromSeconds(5);

    /// <summary>A mark of another machine that has not changed for this long is that of a dead holder.</summary>
    public static TimeSpan Silence { get; } = TimeSpan.FromSeconds(20);

    /// <summary>How often a mark of another machine is looked at meanwhile.</summary>
    public static TimeSpan Look { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Cancelled when a process on another machine has taken the folder over.</summary>
    public CancellationToken Lost { get; }

    /// <summary>
    /// Takes the lock of a folder: at once, or not at all, unless the folder has a mark of another machine. Then this call waits until the
    /// mark changes, or for <see cref="Silence"/>.
    /// </summary>
    /// <param name="machine">The machine that this process runs on, see <see cref="HolderMark.Machine"/>.</param>
    /// <param name="say">Is told that the call waits, and for whom.</param>
    /// <param name="holder">The process that holds the folder, where it is held and that is known.</param>
    /// <returns>Null where another process holds the folder.</returns>
    /// <exception cref="IOException">The files cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The files may not be written.</exception>
    public static RunLock? TryTake(string folder, string machine, TimeProvider time, Action<string> say, out HolderMark? holder)
    {
        var (path, markPath) = (Path.Combine(folder, FileName), Path.Combine(folder, MarkName));
        if (Lock(path) is not { } file)
        {
            holder = HolderMark.Parse(Read(markPath));
            return null;
        }
        try
        {
            // The lock says nothing of other machines: whether a file system shares locks with them cannot be seen from here.
            if (!IsFree(folder, markPath, machine, time, say, out holder))
            {
                file.Dispose();
                return null;
            }
            return new(file, markPath, HolderMark.OfThisProcess(machine, time.GetUtcNow()), time);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Removes lock and mark, unless the folder is another's by now.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _renewal.Dispose();
            try
            {
                // First the mark: without it, the next process need not wait.
                if (IsOwn(Read(_markPath))) File.Delete(_markPath);
                // While it is still locked, so that it cannot be another's.
                if (!_lost.IsCancellationRequested) File.Delete(_file.Name);
            }
            catch (Exception error) when (StorageError.Is(error))
            {
                // What is left counts as a dead holder's.
            }
            _file.Dispose();
        }
        _lost.Dispose();
    }

    private static bool IsFree(
        string folder, string markPath, string machine, TimeProvider time, Action<string> say, out HolderMark? holder)
    {
        var first = Read(markPath);
        holder = HolderMark.Parse(first);
        if (first.Length == 0 || holder?.Machine == machine) return true;
        var who = holder?.ToString() ?? "a process that is not known";
        say($"'{folder}' was last used by {who}. Waiting up to {Silence.TotalSeconds:0} s to see whether that process still runs.");
        var start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < Silence)
        {
            Task.Delay(Look, time).GetAwaiter().GetResult();
            var now = Read(markPath);
            if (now == first) continue;
            holder = HolderMark.Parse(now) ?? holder;
            // Without a mark its holder has left in good order.
            return now.Length == 0;
        }
        return true;
    }

    /// <returns>Null where another process has locked it.</returns>
    private static FileStream? Lock(string path)
    {
        while (true)
        {
            FileStream file;
            try
            {
                file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            catch (IOException error) when (error.HResult is LockedOnLinux or LockedOnMacOS or LockedOnWindows)
            {
                return null;
            }
            // A former holder may have removed the file between our opening it and our locking it. Then another file may have this name.
            // A time of our own tells them apart, without opening the other one, which would lock it.
            var own = DateTime.UtcNow - TimeSpan.FromTicks(Random.Shared.NextInt64(TimeSpan.TicksPerDay));
            File.SetLastWriteTimeUtc(file.SafeFileHandle, own);
            if (File.GetLastWriteTimeUtc(path) == File.GetLastWriteTimeUtc(file.SafeFileHandle)) return file;
            file.Dispose();
        }
    }

    private static string Read(string path)
    {
        try
        {
            using var file = LocalDisk.Instance.OpenRead(path);
            var bytes = new byte[HolderMark.MaxBytes];
            return Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        }
        catch (FileNotFoundException)
        {
            return "";
        }
    }

    /// <summary>
    /// Replaces the file at once, so that a reader sees one mark or the other. It is not flushed: after a power cut nothing depends on it.
    /// </summary>
    private static void Replace(string path, HolderMark mark)
    {
        var temporary = path + AtomicFile.TemporaryEnding;
        try
        {
            File.WriteAllText(temporary, mark.ToText());
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            // The run may end before the next renewal would replace it.
            File.Delete(temporary);
            throw;
        }
    }

    private bool IsOwn(string text) => HolderMark.Parse(text)?.Id == _mark.Id;

    private void Renew()
    {
        lock (_gate)
        {
            if (_isDisposed || _lost.IsCancellationRequested) return;
            try
            {
                var found = Read(_markPath);
                if (HolderMark.Parse(found) is null || IsOwn(found))
                {
                    _mark = _mark with { Renewals = _mark.Renewals + 1 };
                    Replace(_markPath, _mark);
                    return;
                }
            }
            catch (Exception error) when (StorageError.Is(error))
            {
                // A full disk, or a server that is away for a while, ends no run. The next renewal tries again.
                return;
            }
            _lost.Cancel();
        }
    }
}
