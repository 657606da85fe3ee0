using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Chaos;

/// <summary>A worker of a chaos check, and what was done to it.</summary>
internal sealed class ChaosWorker : IAsyncDisposable
{
    /// <summary>A shorter freeze is ridden out; after a longer one the cluster may have given the worker up.</summary>
    private static readonly TimeSpan _riddenOut = TimeSpan.FromSeconds(10);

    private readonly LocalWorker _process;
    private bool _takesPart;
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

    /// <summary>Whether it has had a part in a plan, and still has, as far as can be told.</summary>
    public bool TakesPart => _takesPart;

    public void TakePart() => _takesPart = true;

    /// <summary>Complete when it has ended.</summary>
    public Task Ended => _process.Ended;

    /// <summary>How it has ended; null while it runs.</summary>
    public LocalWorkerExit? Exit => _exit;

    /// <summary>What can be done to it now; null when nothing can.</summary>
    public ChaosCandidate? Candidate => _exit is null && !_wasKilled ? new(Name, _takesPart, _isFrozen, _isLeaving) : null;

    /// <summary>What is wrong with it; null where it runs, or has ended, as it was meant to.</summary>
    /// <param name="isOver">
    /// Whether the job is done: whoever takes part has then ended, and whoever was still about to join has nobody left to join.
    /// </param>
    public string? Failure(bool isOver) => _exit switch
    {
        _ when _wasKilled || _wasFrozen || isOver && !_takesPart => null,
        null => isOver ? $"{Name} did not end with the job (see {_process.LogPath})" : null,
        { ExitCode: 0 } => null,
        var exit => $"{Name} ended with exit code {exit.ExitCode}{(_isLeaving ? " when it was asked to leave" : "")}: {exit.LastError ?? "it said no reason"} (see {exit.LogPath})",
    };

    /// <returns>As for the others: false when it has just ended by itself.</returns>
    public bool Kill() => _wasKilled = ProcessSignal.Kill(_process.ProcessId);

    public bool Drain() => _isLeaving = ProcessSignal.Terminate(_process.ProcessId);

    public bool Freeze(TimeSpan duration, TimeProvider time)
    {
        (_frozenFor, _frozenAt) = (duration, time.GetTimestamp());
        return _isFrozen = _wasFrozen = ProcessSignal.Stop(_process.ProcessId);
    }

    /// <summary>Lets it go on, if it has stood still for as long as it should.</summary>
    /// <returns>Whether it goes on from now.</returns>
    public bool Thaw(TimeProvider time)
    {
        if (!_isFrozen || time.GetElapsedTime(_frozenAt) < _frozenFor) return false;
        Thaw();
        return true;
    }

    public void Thaw()
    {
        if (!_isFrozen) return;
        if (_frozenFor >= _riddenOut) _takesPart = false;
        _isFrozen = false;
        if (_exit is null) ProcessSignal.Continue(_process.ProcessId);
    }

    public ValueTask DisposeAsync()
    {
        Thaw();
        return _process.DisposeAsync();
    }
}
