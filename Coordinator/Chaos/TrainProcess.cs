using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Chaos;

/// <summary>A coordinator in a process of its own. What it shows is shown here too, with its name before each line.</summary>
internal sealed class TrainProcess : IAsyncDisposable
{
    private const string Program = "Distributed.Coordinator.dll";
    private const int Killed = 128 + 9;

    private static readonly TimeSpan _grace = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource<LocalWorkerExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LocalWorker _process;

    /// <summary>Starts <c>train</c> with these arguments.</summary>
    public TrainProcess(string name, IEnumerable<string> arguments, string logPath)
    {
        var (program, first) = WorkerProgram.StartOf(Path.Combine(AppContext.BaseDirectory, Program));
        _process = LocalWorker.Start(name, new(program, [.. first, "train", .. arguments]), logPath, _exit.SetResult, line => Console.WriteLine($"{name} | {line}"));
    }

    public Task<LocalWorkerExit> Exit => _exit.Task;

    /// <summary>Kills it and waits until its ports and its folder are free.</summary>
    /// <returns>False when it had just ended by itself.</returns>
    public async Task<bool> KillAsync()
    {
        ProcessSignal.Kill(_process.ProcessId);
        return (await Exit.ConfigureAwait(false)).ExitCode == Killed;
    }

    /// <summary>Asks it to stop, by a signal since it does not listen to its input, and sees to it that it does.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Exit.IsCompleted) ProcessSignal.Terminate(_process.ProcessId);
        await _process.StopAsync(_grace).ConfigureAwait(false);
        await _process.DisposeAsync().ConfigureAwait(false);
    }
}
