using System.Runtime.InteropServices;
using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Chaos;

/// <summary>A coordinator in a process of its own. Its output appears here, with its name before each line.</summary>
internal sealed class TrainProcess : IAsyncDisposable
{
    private const string Program = "Distributed.Coordinator.dll";
    private const int Killed = 128 + 9;

    private static readonly TimeSpan _grace = TimeSpan.FromSeconds(10);
    private readonly TaskCompletionSource<LocalWorkerExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LocalWorker _process;

    public TrainProcess(string name, IEnumerable<string> arguments, string logPath)
    {
        var (program, first) = WorkerProgram.StartOf(Path.Combine(AppContext.BaseDirectory, Program));
        _process = LocalWorker.Start(name, new(program, [.. first, "train", .. arguments]), logPath, _exit.SetResult,
            line => Console.WriteLine($"{name} | {line}"));
    }

    public Task<LocalWorkerExit> Exit => _exit.Task;

    /// <summary>Kills it and waits until its ports and its folder are free.</summary>
    /// <returns>False if it had just ended by itself.</returns>
    public async Task<bool> KillAsync()
    {
        ProcessSignal.Kill(_process.ProcessId);
        return (await Exit.ConfigureAwait(false)).ExitCode == Killed;
    }

    /// <summary>Stops it by SIGTERM, since a coordinator does not read its input; kills it after a grace period.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Exit.IsCompleted) ProcessSignal.Terminate(_process.ProcessId);
        await _process.StopAsync(_grace).ConfigureAwait(false);
        await _process.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>Signals of Linux and macOS. Each method returns false if the process is gone.</summary>
internal static class ProcessSignal
{
    private const int SigKill = 9;
    private const int SigTerm = 15;

    public static bool IsSupported => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();
    private static int SigStop => OperatingSystem.IsMacOS() ? 17 : 19;
    private static int SigContinue => OperatingSystem.IsMacOS() ? 19 : 18;

    public static bool Kill(int process) => Send(process, SigKill) == 0;
    public static bool Terminate(int process) => Send(process, SigTerm) == 0;
    public static bool Stop(int process) => Send(process, SigStop) == 0;
    public static bool Continue(int process) => Send(process, SigContinue) == 0;

    [DllImport("libc", EntryPoint = "kill"), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Send(int process, int signal);
}
