using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Chaos;

/// <summary>A worker of a chaos check, and what was done to it.</summary>
internal sealed class ChaosWorker : IAsyncDisposable
{
    /// <summary>After a longer freeze the coordinator may have evicted the worker.</summary>
    private static readonly TimeSpan _evictionTime = TimeSpan.FromSeconds(10);
    private readonly LocalWorker _process;
    private volatile LocalWorkerExit? _exit;
    private long _frozenAt;
    private TimeSpan _frozenFor;
    private bool _isFrozen;
    private bool _wasFrozen;
    private bool _wasKilled;
    private bool _isLeaving;

    public ChaosWorker(string name, WorkerCommand command, string logPath) =>
        _process = LocalWorker.Start(name, command, logPath, exit => _exit = exit);

    public string Name => _process.Name;
    public bool TakesPart { get; set; } // Whether it was in a plan, and still is, as far as is known
    public Task Ended => _process.Ended;

    /// <summary>Null if the worker has ended.</summary>
    public ChaosCandidate? Candidate => _exit is null && !_wasKilled ? new(Name, TakesPart, _isFrozen, _isLeaving) : null;

    /// <summary>What is wrong with it; null if it runs, or has ended, as it should.</summary>
    /// <param name="isOver">Whether the job is done: then workers that take part must have ended.</param>
    public string? Failure(bool isOver)
    {
        if (_wasKilled || _wasFrozen || isOver && !TakesPart || _exit is { ExitCode: 0 }) return null;
        if (_exit is not { } exit) return isOver ? $"{Name} did not end with the job (see {_process.LogPath})" : null;
        return $"{Name} ended with exit code {exit.ExitCode}{(_isLeaving ? " when it was asked to leave" : "")}: "
            + $"{exit.LastError ?? "it gave no reason"} (see {exit.LogPath})";
    }

    /// <returns>As for the other faults: false if the worker has just ended by itself.</returns>
    public bool Kill() => _wasKilled = ProcessSignal.Kill(_process.ProcessId);
    public bool Drain() => _isLeaving = ProcessSignal.Terminate(_process.ProcessId);

    public bool Freeze(TimeSpan duration, TimeProvider time)
    {
        (_frozenFor, _frozenAt) = (duration, time.GetTimestamp());
        return _isFrozen = _wasFrozen = ProcessSignal.Stop(_process.ProcessId);
    }

    public bool IsThawDue(TimeProvider time) => _isFrozen && time.GetElapsedTime(_frozenAt) >= _frozenFor;

    public void Thaw()
    {
        if (!_isFrozen) return;
        if (_frozenFor >= _evictionTime) TakesPart = false;
        _isFrozen = false;
        if (_exit is null) ProcessSignal.Continue(_process.ProcessId);
    }

    public ValueTask DisposeAsync()
    {
        Thaw();
        return _process.DisposeAsync();
    }
}

/// <summary>All workers of a chaos check. They outlive the coordinator, and end with this process.</summary>
internal sealed class ChaosWorkers(Func<string, WorkerCommand> commandOf, Func<string, string> logOf) : IAsyncDisposable
{
    private readonly List<ChaosWorker> _workers = [];

    public IEnumerable<ChaosCandidate> Candidates => _workers.Select(worker => worker.Candidate).OfType<ChaosCandidate>();
    public ChaosWorker this[string name] => _workers.First(worker => worker.Name == name);

    public string Start()
    {
        var name = $"worker-{_workers.Count + 1}";
        _workers.Add(new(name, commandOf(name), logOf(name)));
        return name;
    }

    public void TakePart(IReadOnlyList<string> names)
    {
        foreach (var worker in _workers.Where(worker => names.Contains(worker.Name))) worker.TakesPart = true;
    }

    public IReadOnlyList<string> Thaw(TimeProvider time)
    {
        var due = _workers.FindAll(worker => worker.IsThawDue(time));
        due.ForEach(worker => worker.Thaw());
        return due.ConvertAll(worker => worker.Name);
    }

    public IReadOnlyList<string> Failures(bool isOver) => [.. _workers.Select(worker => worker.Failure(isOver)).OfType<string>()];

    /// <summary>Waits until all workers that take part have ended by themselves, or the timeout expires.</summary>
    public async Task EndAsync(TimeSpan timeout, CancellationToken stopping)
    {
        _workers.ForEach(worker => worker.Thaw());
        var ended = Task.WhenAll(_workers.Where(worker => worker.TakesPart).Select(worker => worker.Ended));
        await Task.WhenAny(ended, Task.Delay(timeout, stopping)).ConfigureAwait(false);
        stopping.ThrowIfCancellationRequested();
    }

    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(_workers.Select(worker => worker.DisposeAsync().AsTask())).ConfigureAwait(false);
}
