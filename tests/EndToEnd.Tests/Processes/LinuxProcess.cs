using System.Globalization;
using System.Runtime.InteropServices;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>The signals that these tests send, by their numbers.</summary>
public enum Signal
{
    Interrupt = 2,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}

/// <summary>Any process. Its start time tells it from a later process of the same number.</summary>
internal sealed record LinuxProcess(int Id, string StartedAt)
{
    // Places in /proc/ID/stat (proc_pid_stat(5)) after the program's name.
    private const int State = 0, Parent = 1, Start = 19;

    // Place in a line of /proc/ID/maps (proc_pid_maps(5)).
    private const int Inode = 4;

    private static readonly TimeSpan _pollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>Neither gone nor a zombie.</summary>
    public bool IsRunning => Stat(Id) is { } stat && stat[State] != "Z" && stat[Start] == StartedAt;

    /// <summary>The value of an option of its command line; null if the option is missing or the process is gone.</summary>
    public string? Option(string name) =>
        (Read(Id, "cmdline") ?? "").Split('\0').SkipWhile(argument => argument != name).Skip(1).FirstOrDefault();

    /// <summary>Its running child processes.</summary>
    public static IReadOnlyList<LinuxProcess> ChildrenOf(int parent) =>
    [
        .. from id in Ids()
           let stat = Stat(id)
           where stat is not null && stat[Parent] == $"{parent}" && stat[State] != "Z"
           select new LinuxProcess(id, stat[Start]),
    ];

    /// <summary>The running processes with this value of an environment variable, which child processes inherit.</summary>
    public static IReadOnlyList<LinuxProcess> With(string variable, string value) =>
    [
        .. from id in Ids()
           where (Read(id, "environ") ?? "").Split('\0').Contains($"{variable}={value}")
           let stat = Stat(id)
           where stat is not null && stat[State] != "Z"
           select new LinuxProcess(id, stat[Start]),
    ];

    /// <summary>The shared memory of this name that it has mapped, by inode number.</summary>
    public IReadOnlySet<string> SharedMemory(string name) => (Read(Id, "maps") ?? "").Split('\n')
        .Where(line => line.Contains($"/memfd:{name} ", StringComparison.Ordinal))
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[Inode])
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>Targets of its open descriptors.</summary>
    public IReadOnlyList<string> OpenFiles() =>
        [.. Directory.EnumerateFiles($"/proc/{Id}/fd").Select(file => new FileInfo(file).LinkTarget).OfType<string>()];

    public void Send(Signal signal)
    {
        if (IsRunning && Kill(Id, (int)signal) != 0) throw new InvalidOperationException($"process {Id} could not be sent {signal}");
    }

    /// <summary>Lets it run only a tenth of the time, to make a run last.</summary>
    public async Task SlowDownAsync(Task until)
    {
        while (!until.IsCompleted)
        {
            Send(Signal.Stop);
            await Task.Delay(TimeSpan.FromMilliseconds(90));
            Send(Signal.Continue);
            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }
        await until;
    }

    /// <summary>Waits until it has ended.</summary>
    /// <returns>False if it still runs after that time.</returns>
    public async Task<bool> EndsWithinAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        while (IsRunning)
        {
            if (deadline.IsCancellationRequested) return false;
            await Task.Delay(_pollInterval);
        }
        return true;
    }

    private static IEnumerable<int> Ids() => Directory.EnumerateDirectories("/proc")
        .Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) ? id : 0)
        .Where(id => id > 0);

    private static string[]? Stat(int id) => Read(id, "stat") is { } stat ? stat[(stat.LastIndexOf(')') + 2)..].Split(' ') : null;

    private static string? Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "kill"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int id, int signal);
}
