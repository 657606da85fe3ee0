using System.Collections.Immutable;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Cluster;

/// <summary>The local workers of a coordinator. Safe on every thread.</summary>
internal interface ILocalWorkers
{
    IReadOnlyCollection<string> Names { get; } // Including those whose process has ended.
    string? LogOf(string worker); // Null for workers that were not started here.
    void Restart(string worker); // Only after its process has ended. Does nothing once all are told to stop.
}

/// <summary>The worker processes that a coordinator has started on its own machine. They end when this process does.</summary>
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

    /// <summary>The newest process of each worker, in the order of their numbers, including those that have ended.</summary>
    public ImmutableArray<LocalWorker> Workers
    {
        get { lock (_lock) return _workers; }
    }

    public IReadOnlyCollection<string> Names => [.. Workers.Select(worker => worker.Name)];

    public static LocalWorkerGroup Start(
        int count, string coordinatorAddress, string device, string? dataDir, string logsFolder, Action<LocalWorkerExit> onExit,
        IReadOnlyList<string>? plugins = null, double memoryFraction = MemoryFraction.Default, IReadOnlyList<string>? more = null) =>
        Start(count, name => WorkerProgram.Command(name, coordinatorAddress, device, dataDir, plugins, memoryFraction, more),
            logsFolder, onExit);

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

    public async Task EndAsync(TimeSpan timeout) =>
        await Task.WhenAny(Task.WhenAll(Workers.Select(worker => worker.Ended)), Task.Delay(timeout)).ConfigureAwait(false);

    public Task StopAsync(TimeSpan grace)
    {
        lock (_lock) _isStopping = true;
        return Task.WhenAll(Workers.Select(worker => worker.StopAsync(grace)));
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(_defaultGrace).ConfigureAwait(false);
        foreach (var worker in (LocalWorker[])[.. _ended, .. Workers])
            await worker.DisposeAsync().ConfigureAwait(false);
    }
}
