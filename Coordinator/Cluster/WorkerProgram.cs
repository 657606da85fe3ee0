using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Cluster;

internal static class WorkerProgram
{
    /// <summary>The environment variable that names another worker's dll.</summary>
    public const string Variable = "DISTRIBUTED_WORKER";

    private const string FileName = "Distributed.Worker.dll";

    /// <summary>
    /// The worker's dll: what <see cref="Variable"/> names; else the one published into the coordinator's own folder, or into
    /// <c>../worker</c> beside it; else the one built with it.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is none; the message says where it was looked for and what to do.</exception>
    public static string Find() => Find(
        Environment.GetEnvironmentVariable(Variable),
        AppContext.BaseDirectory,
        typeof(WorkerProgram).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => a.Key == "WorkerPath")?.Value);

    /// <summary>As <see cref="Find()"/>, from given places.</summary>
    /// <param name="chosen">The user's choice; null or empty for none.</param>
    /// <param name="coordinatorFolder">Where the coordinator's dll is.</param>
    /// <param name="built">The full path of the worker's dll on the machine that built the coordinator.</param>
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

    /// <summary>The command that starts a worker which ends with this process.</summary>
    /// <param name="name">The worker's name in plans and logs.</param>
    /// <param name="coordinatorAddress">Where this coordinator listens, as <c>HOST:PORT</c>.</param>
    /// <param name="dataDir">Where data sets are; null for the worker's own default.</param>
    /// <param name="plugins">Libraries of the user's that it loads.</param>
    /// <param name="memoryFraction">What part of the free memory it may take where it is asked how large a micro-batch may be.</param>
    /// <exception cref="FileNotFoundException">As for <see cref="Find()"/>.</exception>
    public static WorkerCommand Command(
        string name, string coordinatorAddress, string device, string? dataDir, IReadOnlyList<string>? plugins = null, double memoryFraction = MemoryFraction.Default,
        IReadOnlyList<string>? more = null)
    {
        var (program, first) = StartOf(Find());
        return new(program, [
            .. first, "--coordinator", coordinatorAddress, "--device", device, "--name", name, "--with-parent",
            .. dataDir is null ? (string[])[] : ["--data-dir", dataDir],
            .. PluginOption.Arguments(plugins ?? []),
            .. memoryFraction == MemoryFraction.Default ? (string[])[] : [MemoryFraction.Name, memoryFraction.ToString(CultureInfo.InvariantCulture)],
            .. more ?? [],
        ]);
    }

    /// <summary>Runs a command of the worker program to its end. What is not read of its output appears on this process's.</summary>
    /// <param name="input">Writes its standard input; null for an empty one.</param>
    /// <param name="isQuiet">Whether its standard error is kept from the terminal.</param>
    /// <returns>Its exit code, and the last error that it wrote.</returns>
    /// <exception cref="FileNotFoundException">As for <see cref="Find()"/>.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static async Task<(int ExitCode, string? Error)> RunAsync(
        IEnumerable<string> arguments, Func<StreamWriter, Task>? input = null, Func<StreamReader, Task>? output = null, bool isQuiet = false, CancellationToken cancel = default)
    {
        var (program, first) = StartOf(Find());
        using var process = Start(program, [.. first, .. arguments]);
        try
        {
            string? error = null;
            // All at the same time: a pipe holds only so much.
            var asking = AskAsync(process.StandardInput, input);
            var complaining = EachLineAsync(process.StandardError, line =>
            {
                error = ErrorIn(line) ?? error;
                if (!isQuiet) Console.Error.WriteLine(line);
            }, cancel);
            await (output is null ? EachLineAsync(process.StandardOutput, Console.WriteLine, cancel) : output(process.StandardOutput)).ConfigureAwait(false);
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

    /// <summary>Starts a program whose text is UTF-8. It inherits none of the settings of this process.</summary>
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

    /// <summary>The error that a line of a program's output tells; null where it tells none.</summary>
    internal static string? ErrorIn(string line)
    {
        const string Prefix = "error:";
        return line.StartsWith(Prefix, StringComparison.Ordinal) ? line[Prefix.Length..].Trim() : null;
    }

    /// <summary>Passes on each line that a program writes, until it has closed its output.</summary>
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
            // It ended before it had read everything: its exit code tells why.
        }
    }

    /// <summary>How a worker is started: by its own executable where the runtime was published with it, else by the runtime's host.</summary>
    public static (string Program, string[] FirstArguments) StartOf(string worker) =>
        File.Exists(Path.Combine(Path.GetDirectoryName(worker)!, "System.Private.CoreLib.dll"))
            ? (OperatingSystem.IsWindows() ? Path.ChangeExtension(worker, "exe") : Path.ChangeExtension(worker, null), [])
            : (DotnetHost(), [worker]);

    /// <summary>The host of the runtime that this process runs on, which need not be the one on the path.</summary>
    private static string DotnetHost()
    {
        var host = Path.GetFullPath(Path.Combine(
            RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        return File.Exists(host) ? host : "dotnet";
    }
}
