using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Cluster;

/// <summary>Writes the state that a restarted coordinator needs whenever it changes. Used by one thread at a time.</summary>
internal sealed class RestartRecord(RunRecorder recorder, Func<ClusterProtocol, string?>? save, TimeProvider? time = null)
{
    private readonly RetryPause _pause = new(time);
    private ClusterProtocol? _saved;
    private string? _error;

    public bool IsSaved => _error is null; // Whether a restarted coordinator would find the current state.

    /// <summary>Call before any worker hears of a generation, so that no coordinator ever uses its number again.</summary>
    public void Keep(ClusterProtocol cluster)
    {
        if (_saved is { } saved
            && (saved.Generation, saved.Plan, saved.Facts) == (cluster.Generation, cluster.Plan, cluster.Facts)) return;
        _saved = cluster;
        Save(cluster);
    }

    public void Retry()
    {
        if (_error is not null && _saved is { } saved && _pause.IsOver) Save(saved);
    }

    private void Save(ClusterProtocol cluster)
    {
        _pause.Begin();
        var before = _error;
        _error = save?.Invoke(cluster);
        if (_error is not null && before is null)
            recorder.Happened(RunEventKind.Fault, $"the state for a restart of the coordinator cannot be written: {_error.TrimEnd('.')}. "
                + "Training continues without checkpoints until it can be written");
        if (_error is null && before is not null)
            recorder.Happened(RunEventKind.Note, "the state for a restart of the coordinator is written again");
    }
}

internal sealed class RetryPause(TimeProvider? time = null)
{
    private static readonly TimeSpan _length = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long _since;

    public void Begin() => _since = _time.GetTimestamp();

    public bool IsOver => _time.GetElapsedTime(_since) >= _length;
}
