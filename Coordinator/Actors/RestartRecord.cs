using Distributed.Coordinator.Runs;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Actors;

/// <summary>Writes down what a coordinator needs that is started again, where it has changed. Used by one thread at a time.</summary>
/// <param name="recorder">Tells people what could not be written.</param>
/// <param name="save">Writes it, see <see cref="CoordinatorContext.Save"/>.</param>
internal sealed class RestartRecord(RunRecorder recorder, Func<ClusterProtocol, string?>? save)
{
    private ClusterProtocol? _saved;
    private string? _error;

    /// <summary>Before any worker hears of a generation, it is written down, so that no coordinator ever uses its number again.</summary>
    public void Keep(ClusterProtocol cluster)
    {
        if (_saved is { } saved && saved.Generation == cluster.Generation && saved.Plan == cluster.Plan && saved.Facts == cluster.Facts) return;
        _saved = cluster;
        var error = save?.Invoke(cluster);
        if (error is not null && error != _error) recorder.Happened(RunEventKind.Fault, $"what a restart of the coordinator needs could not be written: {error}");
        _error = error;
    }
}
