using System.Diagnostics;
using System.Globalization;

namespace Distributed.Bench.Processes;

/// <summary>Peak resident bytes (VmHWM in proc_pid_status(5)), including mapped files, of a process and each of its children.</summary>
internal sealed record PeakMemory(long Self, IReadOnlyList<long> Children)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(20);

    /// <summary>Reads until the process ends. The value only grows, so this misses at most the growth of the last 20 ms.</summary>
    public static async Task<PeakMemory> WatchAsync(Process process, CancellationToken stopping)
    {
        var self = 0L;
        var children = new SortedDictionary<int, long>();
        while (!process.HasExited)
        {
            self = Status(process.Id)?.Peak ?? self;
            var ids = Directory.EnumerateDirectories("/proc").Select(folder => int.TryParse(Path.GetFileName(folder), out var id) ? id : 0);
            foreach (var id in ids)
                if (id > process.Id && Status(id) is { } status && status.Parent == process.Id) children[id] = status.Peak;
            await Task.Delay(_interval, stopping).ConfigureAwait(false);
        }
        return new(self, [.. children.Values]);
    }

    /// <returns>Null if the process has ended or freed its memory.</returns>
    private static (int Parent, long Peak)? Status(int id)
    {
        try
        {
            var lines = File.ReadAllLines($"/proc/{id}/status");
            return Value(lines, "VmHWM:") is { } kilobytes && Value(lines, "PPid:") is { } parent ? ((int)parent, kilobytes * 1024) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static long? Value(string[] lines, string key) =>
        lines.FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal)) is { } line
            ? long.Parse(line[key.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture)
            : null;
}
