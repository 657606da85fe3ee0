using System.Collections.Immutable;
using System.Diagnostics;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

internal sealed record WorkerCommand(string Program, ImmutableArray<string> Arguments);

/// <summary>The end of a worker's process on this machine.</summary>
/// <param name="ExitCode">On Unix 128 + the signal that killed the process.</param>
/// <param name="LastError">The signal, and the last line that begins with <c>error:</c>; null if there is neither.</param>
/// <param name="Stopping">Whether this coordinator had told it to end.</param>
internal sealed record LocalWorkerExit(string Name, int ExitCode, string LogPath, string? LastError, bool Stopping);

// A worker's process on this machine. It stops at the end of its standard input, which is held open and never written to, so it ends
// whenever this process does.
internal sealed class LocalWorker : IAsyncDisposable
{
    private const int SignalBase = 128;
    private const int MaxSignal = 64;

    private static readonly TimeSpan _defaultGrace = TimeSpan.FromSeconds(5);

    // A child process of the worker may hold its output open for ever.
    private static readonly TimeSpan _outputGrace = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Process _process;
    private readonly StreamWriter _input;
    private readonly Action<string>? _onLine;
    private readonly RotatingFile _log;
    private string? _lastError;
    private volatile bool _stopping;
    private volatile bool _hasExited;

    private LocalWorker(
        string name, string logPath, Process process, RotatingFile log, Action<LocalWorkerExit> onExit, Action<string>? onLine)
    {
        (Name, LogPath, ProcessId, _process, _input) = (name, logPath, process.Id, process, process.StandardInput);
        (_log, _onLine) = (log, onLine);
        Ended = RunAsync(onExit);
    }

    public string Name { get; }
    public int ProcessId { get; }
    public string LogPath { get; }
    public bool HasExited => _hasExited;
    public Task Ended { get; } // Complete when the process has ended and onExit has returned.

    /// <param name="onExit">Called once on a thread of the pool, when the process has ended and its log is complete.</param>
    /// <param name="onLine">Called for each line of output, on threads of the pool; must not throw.</param>
    public static LocalWorker Start(
        string name, WorkerCommand command, string logPath, Action<LocalWorkerExit> onExit, Action<string>? onLine = null)
    {
        var log = new RotatingFile(logPath);
        try
        {
            return new(name, logPath, WorkerProgram.Start(command.Program, command.Arguments), log, onExit, onLine);
        }
        catch
        {
            log.Dispose();
            throw;
        }
    }

    /// <summary>Ends the worker's input and waits for <see cref="Ended"/>; after <paramref name="grace"/> kills its process tree.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        _stopping = true;
        _input.Close();
        try
        {
            await Ended.WaitAsync(grace).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _process.Kill(entireProcessTree: true);
            await Ended.ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(_defaultGrace).ConfigureAwait(false);
        _process.Dispose();
    }

    private async Task RunAsync(Action<LocalWorkerExit> onExit)
    {
        var output = Task.WhenAll(WorkerProgram.EachLineAsync(_process.StandardOutput, Log, default),
            WorkerProgram.EachLineAsync(_process.StandardError, Log, default));
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await Task.WhenAny(output, Task.Delay(_outputGrace)).ConfigureAwait(false);
        _log.Dispose();
        _hasExited = true;
        onExit(new(Name, _process.ExitCode, LogPath, Reason(), _stopping));
    }

    private void Log(string line)
    {
        lock (_lock)
        {
            _lastError = WorkerProgram.ErrorIn(line) ?? _lastError;
            // Never throws: otherwise the worker would block on a full pipe.
            _log.WriteLine(Shown.InFull(line));
        }
        _onLine?.Invoke(line);
    }

    private string? Reason()
    {
        var signal = OperatingSystem.IsWindows() ? 0 : _process.ExitCode - SignalBase;
        return signal is < 1 or > MaxSignal ? _lastError
            : _lastError is null ? $"killed by signal {signal}"
            : $"killed by signal {signal}; its last error: {_lastError}";
    }
}
