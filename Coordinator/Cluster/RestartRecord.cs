using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Cluster;

/// <summary>Writes down what a coordinator needs that is started again, where it has changed. Used by one thread at a time.</summary>
/// <param name="recorder">Tells people what could not be written.</param>
/// <param name="save">Writes it, see <see cref="CoordinatorContext.Save"/>.</param>
/// <param name="time">The clock; null for that of this machine.</param>
internal sealed class RestartRecord(RunRecorder recorder, Func<ClusterProtocol, string?>? save, TimeProvider? time = null)
{
    private readonly RetryPause _pause = new(time);
    private ClusterProtocol? _saved;
    private string? _error;

    /// <summary>Whether a coordinator that is started again would find all that it needs.</summary>
    public bool IsSaved => _error is null;

    /// <summary>Before any worker hears of a generation, it is written down, so that no coordinator ever uses its number again.</summary>
    public void Keep(ClusterProtocol cluster)
    {
        if (_saved is { } saved && saved.Generation == cluster.Generation && saved.Plan == cluster.Plan && saved.Facts == cluster.Facts) return;
        _saved = cluster;
        Save(cluster);
    }

    /// <summary>Tries again what could not be written.</summary>
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
            recorder.Happened(RunEventKind.Fault, $"what a restart of the coordinator needs cannot be written: {_error.TrimEnd('.')}. Training continues without checkpoints until it can");
        if (_error is null && before is not null) recorder.Happened(RunEventKind.Note, "what a restart of the coordinator needs is written again");
    }
}
