using System.Diagnostics;
using Distributed.Hosting.Processes;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// A worker's process on this machine. Its standard input is held open and never written to: it ends when this process does,
/// however that ends, since the worker stops at the end of its input.
/// </summary>
internal sealed class LocalWorker : IAsyncDisposable
{
    private const int SignalBase = 128;
    private const int MaxSignal = 64;

    private static readonly TimeSpan _defaultGrace = TimeSpan.FromSeconds(5);

    /// <summary>A process that the worker left behind may hold its output open for ever.</summary>
    private static readonly TimeSpan _outputGrace = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Process _process;
    private readonly StreamWriter _input;
    private readonly Action<string>? _onLine;
    private readonly RotatingFile _log;
    private string? _lastError;
    private volatile bool _stopping;
    private volatile bool _hasExited;

    private LocalWorker(string name, string logPath, Process process, RotatingFile log, Action<LocalWorkerExit> onExit, Action<string>? onLine)
    {
        (Name, LogPath, ProcessId, _process, _input, _log, _onLine) = (name, logPath, process.Id, process, process.StandardInput, log, onLine);
        Ended = RunAsync(onExit);
    }

    /// <summary>The worker's name in plans and logs.</summary>
    public string Name { get; }

    /// <summary>The number that the operating system gave the process.</summary>
    public int ProcessId { get; }

    /// <summary>The file that everything it writes is added to, line by line; see <see cref="RotatingFile"/>.</summary>
    public string LogPath { get; }

    public bool HasExited => _hasExited;

    /// <summary>Complete when the process has ended and <c>onExit</c> has been called.</summary>
    public Task Ended { get; }

    /// <summary>Starts <paramref name="command"/>.</summary>
    /// <param name="name">The worker's name in plans and logs.</param>
    /// <param name="command">The program; it should end when its standard input does.</param>
    /// <param name="logPath">Where its output is added; the folder exists.</param>
    /// <param name="onExit">Called once, on a thread of the pool, when the process has ended and its log is complete.</param>
    /// <param name="onLine">Called for each line that it writes, on threads of the pool; must not throw.</param>
    /// <exception cref="IOException">The log cannot be written.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
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

    /// <summary>
    /// Ends the worker's input and waits for it to stop; after <paramref name="grace"/> kills it with all it started.
    /// Returns when it has ended and <c>onExit</c> has been called.
    /// </summary>
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

    /// <summary>Stops the worker with five seconds of grace.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(_defaultGrace).ConfigureAwait(false);
        _process.Dispose();
    }

    private async Task RunAsync(Action<LocalWorkerExit> onExit)
    {
        var output = Task.WhenAll(((StreamReader[])[_process.StandardOutput, _process.StandardError]).Select(reader => WorkerProgram.EachLineAsync(reader, Take, default)));
        await _process.WaitForExitAsync().ConfigureAwait(false);
        await Task.WhenAny(output, Task.Delay(_outputGrace)).ConfigureAwait(false);
        _log.Dispose();
        _hasExited = true;
        onExit(new(Name, _process.ExitCode, LogPath, Reason(), _stopping));
    }

    private void Take(string line)
    {
        lock (_lock)
        {
            _lastError = WorkerProgram.ErrorIn(line) ?? _lastError;
            // Never throws: the worker would stand still behind a full pipe.
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
