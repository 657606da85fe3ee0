using System.Diagnostics;
using System.Globalization;

namespace Distributed.Bench.Processes;

/// <summary>The most memory that processes had resident (VmHWM in proc_pid_status(5)), files that they map included.</summary>
/// <param name="Self">Bytes of the process that was started.</param>
/// <param name="Children">Bytes of each process that it started.</param>
internal sealed record PeakMemory(long Self, IReadOnlyList<long> Children)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(20);

    /// <summary>Reads until the process has ended; the value only grows, so what is missed is the growth of the last 20 ms.</summary>
    public static async Task<PeakMemory> WatchAsync(Process process, CancellationToken stopping)
    {
        var self = 0L;
        var children = new SortedDictionary<int, long>();
        while (!process.HasExited)
        {
            self = Status(process.Id)?.Peak ?? self;
            foreach (var id in Directory.EnumerateDirectories("/proc").Select(folder => int.TryParse(Path.GetFileName(folder), out var number) ? number : 0))
                if (id > process.Id && Status(id) is { } status && status.Parent == process.Id) children[id] = status.Peak;
            await Task.Delay(_interval, stopping).ConfigureAwait(false);
        }
        return new(self, [.. children.Values]);
    }

    /// <returns>Null when the process is gone, or has let go of its memory.</returns>
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
