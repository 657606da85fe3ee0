using System.Collections.Immutable;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Cluster;

/// <summary>The workers that a coordinator started on its own machine.</summary>
internal sealed class LocalWorkerGroup : ILocalWorkers, IAsyncDisposable
{
    private static readonly TimeSpan _defaultGrace = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Func<string, LocalWorker> _start;
    private readonly List<LocalWorker> _ended = [];
    private ImmutableArray<LocalWorker> _workers;
    private bool _isStopping;

    private LocalWorkerGroup(int count, Func<string, LocalWorker> start)
    {
        _start = start;
        _workers = [.. Enumerable.Range(1, count).Select(k => start($"worker-{k}"))];
    }

    /// <summary>In the order of their numbers, those that have ended included; of one that was started again, the newest process.</summary>
    public ImmutableArray<LocalWorker> Workers
    {
        get
        {
            lock (_lock) return _workers;
        }
    }

    public IReadOnlyCollection<string> Names => [.. Workers.Select(worker => worker.Name)];

    /// <summary>Starts <c>worker-1</c> to <c>worker-count</c>, each with a log of its name. They end when this process does.</summary>
    /// <param name="count">How many, from 0.</param>
    /// <param name="coordinatorAddress">Where this coordinator listens, as <c>HOST:PORT</c>.</param>
    /// <param name="dataDir">Where data sets are; null for the workers' own default.</param>
    /// <param name="logsFolder">Created if it is not there.</param>
    /// <param name="onExit">Called once for each worker, on a thread of the pool.</param>
    /// <param name="plugins">Libraries of the user's that each loads.</param>
    /// <param name="memoryFraction">What part of the free memory each may take where it is asked how large a micro-batch may be.</param>
    /// <exception cref="FileNotFoundException">No worker program is on this machine.</exception>
    /// <exception cref="IOException">A log cannot be written.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public static LocalWorkerGroup Start(
        int count, string coordinatorAddress, string device, string? dataDir, string logsFolder, Action<LocalWorkerExit> onExit,
        IReadOnlyList<string>? plugins = null, double memoryFraction = MemoryFraction.Default, IReadOnlyList<string>? more = null) =>
        Start(count, name => WorkerProgram.Command(name, coordinatorAddress, device, dataDir, plugins, memoryFraction, more), logsFolder, onExit);

    /// <summary>As above, with the command of each worker's name.</summary>
    public static LocalWorkerGroup Start(
        int count, Func<string, WorkerCommand> command, string logsFolder, Action<LocalWorkerExit> onExit)
    {
        Directory.CreateDirectory(logsFolder);
        return new(count, name => LocalWorker.Start(name, command(name), Path.Combine(logsFolder, name + ".log"), onExit));
    }

    public string? LogOf(string worker) => Workers.FirstOrDefault(known => known.Name == worker)?.LogPath;

    public void Restart(string worker)
    {
        lock (_lock)
        {
            if (_isStopping || _workers.FirstOrDefault(known => known.Name == worker) is not { } former) return;
            if (!former.HasExited) throw new InvalidOperationException($"{worker} still runs");
            _workers = _workers.Replace(former, _start(worker));
            _ended.Add(former);
        }
    }

    /// <summary>Waits until all have ended by themselves, but no longer than <paramref name="patience"/>.</summary>
    public async Task EndAsync(TimeSpan patience) =>
        await Task.WhenAny(Task.WhenAll(Workers.Select(worker => worker.Ended)), Task.Delay(patience)).ConfigureAwait(false);

    /// <summary>Stops all of them at once; see <see cref="LocalWorker.StopAsync"/>.</summary>
    public Task StopAsync(TimeSpan grace)
    {
        lock (_lock) _isStopping = true;
        return Task.WhenAll(Workers.Select(worker => worker.StopAsync(grace)));
    }

    /// <summary>Stops all of them with five seconds of grace.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(_defaultGrace).ConfigureAwait(false);
        foreach (var worker in (LocalWorker[])[.. _ended, .. Workers])
            await worker.DisposeAsync().ConfigureAwait(false);
    }
}
