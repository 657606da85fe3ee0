using System.Globalization;
using System.Text;
using System.Text.Json;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

// The lock of a run folder: a file that the operating system locks for as long as its holder lives. Some network file systems do not
// share locks between machines (NFS without its lock service), so the holder also renews a mark beside it. A process on another machine
// respects a mark that changes, and takes over one that has not changed for Silence. The former holder then learns of it.
internal sealed class RunLock : IDisposable
{
    public const string FileName = "run.lock";
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

    /// <summary>The holder of a mark of another machine that has not changed for so long is dead.</summary>
    public static TimeSpan Silence { get; } = TimeSpan.FromSeconds(20);
    public static TimeSpan Look { get; } = TimeSpan.FromSeconds(1); // How often a waiting process reads a mark of another machine.
    public CancellationToken Lost { get; } // Cancelled when a process on another machine has taken the folder over.

    /// <summary>Returns at once, unless the folder has a mark of another machine: then it waits for up to <see cref="Silence"/>.</summary>
    /// <returns>Null if another process holds the folder.</returns>
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
            // The file system may not share locks with other machines, so check their mark too.
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

    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _renewal.Dispose();
            // The next process treats what is left as that of a dead holder.
            StorageError.Ignore(() =>
            {
                // Remove the mark first: without it, the next process need not wait.
                if (IsOwn(Read(_markPath))) File.Delete(_markPath);
                // Still locked, so no other process can own it.
                if (!_lost.IsCancellationRequested) File.Delete(_file.Name);
            });
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
        var who = holder?.ToString() ?? "an unknown process";
        say($"'{folder}' was last used by {who}. Waiting up to {Silence.TotalSeconds:0} s to see whether that process still runs.");
        var start = time.GetTimestamp();
        while (time.GetElapsedTime(start) < Silence)
        {
            Task.Delay(Look, time).GetAwaiter().GetResult();
            var now = Read(markPath);
            if (now == first) continue;
            holder = HolderMark.Parse(now) ?? holder;
            // A holder that exits removes its mark.
            return now.Length == 0;
        }
        return true;
    }

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
            // A former holder may have removed the file after we opened it and before we locked it, and another file may have its name
            // now. Opening that file would lock it; a unique write time tells the two apart without opening.
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

    // Renames, so that a reader sees one mark or the other. Not flushed: nothing depends on the mark after a power cut.
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
            // There may be no further renewal that would replace it.
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
                // A full disk or an unreachable file server must not end the run. The next renewal tries again.
                return;
            }
            _lost.Cancel();
        }
    }
}

/// <summary>What the holder of a run folder writes beside the lock, so that processes on other machines notice it.</summary>
/// <param name="Machine">Identifies a boot of a machine: processes with the same value share the operating system's locks.</param>
internal sealed record HolderMark(Guid Id, string Machine, string Host, int Process, DateTimeOffset Since, long Renewals)
{
    public const int MaxBytes = 1024;
    private const string BootId = "/proc/sys/kernel/random/boot_id";

    public static string ThisMachine { get; } = File.Exists(BootId) ? File.ReadAllText(BootId).Trim() : Environment.MachineName;

    public static HolderMark OfThisProcess(string machine, DateTimeOffset since) =>
        new(Guid.NewGuid(), machine, Environment.MachineName, Environment.ProcessId, since, 0);

    public static HolderMark? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<HolderMark>(text, RunJson.Line);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public string ToText() => JsonSerializer.Serialize(this, RunJson.Line);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"process {Process} on {Host}, since {Since.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
}
