using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Cluster;

internal static class WorkerProgram
{
    public const string Variable = "DISTRIBUTED_WORKER";

    private const string FileName = "Distributed.Worker.dll";

    /// <summary>The dll that <see cref="Variable"/> names, is in the coordinator's folder or in ../worker, or was built with it.</summary>
    public static string Find() => Find(
        Environment.GetEnvironmentVariable(Variable),
        AppContext.BaseDirectory,
        typeof(WorkerProgram).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == "WorkerPath")?.Value);

    public static string Find(string? chosen, string coordinatorFolder, string? built)
    {
        if (!string.IsNullOrEmpty(chosen))
            return File.Exists(chosen)
                ? Path.GetFullPath(chosen)
                : throw new FileNotFoundException($"{Variable} names '{chosen}', which does not exist. Set it to the path of {FileName}.");

        var together = Path.GetFullPath(Path.Combine(coordinatorFolder, FileName));
        var published = Path.GetFullPath(Path.Combine(coordinatorFolder, "..", "worker", FileName));
        return File.Exists(together) ? together
            : File.Exists(published) ? published
            : File.Exists(built) ? built
            : throw new FileNotFoundException(
                $"No worker program was found, neither as '{published}'{(built is null ? "" : $" nor as '{built}'")}. "
                + $"Build it with 'dotnet build Worker', or set {Variable} to the path of {FileName}.");
    }

    public static WorkerCommand Command(string name, string coordinatorAddress, string device, string? dataDir,
        IReadOnlyList<string>? plugins = null, double memoryFraction = MemoryFraction.Default, IReadOnlyList<string>? more = null)
    {
        var (program, first) = StartOf(Find());
        return new(program, [
            .. first, "--coordinator", coordinatorAddress, "--device", device, "--name", name, "--with-parent",
            .. dataDir is null ? (string[])[] : ["--data-dir", dataDir],
            .. PluginOption.Arguments(plugins ?? []),
            .. memoryFraction == MemoryFraction.Default ? (string[])[]
                : [MemoryFraction.Name, memoryFraction.ToString(CultureInfo.InvariantCulture)],
            .. more ?? [],
        ]);
    }

    /// <summary>Runs a command of the worker program and returns its exit code and its last error. Unread output is passed on.</summary>
    public static async Task<(int ExitCode, string? Error)> RunAsync(
        IEnumerable<string> arguments, Func<StreamWriter, Task>? input = null, Func<StreamReader, Task>? output = null,
        bool isQuiet = false, CancellationToken cancel = default)
    {
        var (program, first) = StartOf(Find());
        using var process = Start(program, [.. first, .. arguments]);
        try
        {
            string? error = null;
            // Concurrently: a full pipe would block the process.
            var asking = AskAsync(process.StandardInput, input);
            var complaining = EachLineAsync(process.StandardError, line =>
            {
                error = ErrorIn(line) ?? error;
                if (!isQuiet) Console.Error.WriteLine(line);
            }, cancel);
            output ??= reader => EachLineAsync(reader, Console.WriteLine, cancel);
            await output(process.StandardOutput).ConfigureAwait(false);
            await complaining.ConfigureAwait(false);
            await process.WaitForExitAsync(cancel).ConfigureAwait(false);
            await asking.ConfigureAwait(false);
            return (process.ExitCode, error);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    // The process inherits no setting of this one.
    internal static Process Start(string program, IEnumerable<string> arguments)
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = utf8,
            StandardOutputEncoding = utf8,
            StandardErrorEncoding = utf8,
        };
        SettingNames.RemoveFrom(start.Environment);
        return Process.Start(start)!;
    }

    internal static string? ErrorIn(string line)
    {
        const string Prefix = "error:";
        return line.StartsWith(Prefix, StringComparison.Ordinal) ? line[Prefix.Length..].Trim() : null;
    }

    internal static async Task EachLineAsync(StreamReader reader, Action<string> told, CancellationToken cancel)
    {
        while (await reader.ReadLineAsync(cancel).ConfigureAwait(false) is { } line) told(line);
    }

    private static async Task AskAsync(StreamWriter writer, Func<StreamWriter, Task>? input)
    {
        try
        {
            await using (writer.ConfigureAwait(false))
                if (input is not null) await input(writer).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The process ended before it had read everything; its exit code says why.
        }
    }

    public static (string Program, string[] FirstArguments) StartOf(string worker) =>
        File.Exists(Path.Combine(Path.GetDirectoryName(worker)!, "System.Private.CoreLib.dll"))
            ? (OperatingSystem.IsWindows() ? Path.ChangeExtension(worker, "exe") : Path.ChangeExtension(worker, null), [])
            : (DotnetHost(), [worker]);

    // The host of this process's runtime, which need not be the one on the PATH.
    private static string DotnetHost()
    {
        var host = Path.GetFullPath(Path.Combine(
            RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        return File.Exists(host) ? host : "dotnet";
    }
}
