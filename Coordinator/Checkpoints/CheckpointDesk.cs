using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Checkpoints;

/// <summary>Has checkpoints written and read beside whoever asks, one after the other.</summary>
/// <param name="store">Where they are.</param>
public sealed class CheckpointDesk(CheckpointStore store) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>The newest state that could be handed out, as the protocol knows it; null where there is none.</summary>
    public StoredState? Newest => store.Newest is { } newest ? new(newest.Round, StateDigest.Parse(newest.Digest)) : null;

    /// <summary>The most that the metric has been in one of them; not a number where there is none.</summary>
    public double Best => store.Best?.TestMetric ?? double.NaN;

    /// <summary>Stores a state. Fails like <see cref="CheckpointStore.Save"/>.</summary>
    public Task<Manifest> SaveAsync(CheckpointFacts facts, byte[] state) => InTurnAsync(() => store.Save(facts, state));

    /// <summary>Reads the newest state; one that is damaged is left out from then on. Fails like <see cref="CheckpointStore.Load"/>.</summary>
    public Task<(long Applied, byte[] State)> LoadAsync() => InTurnAsync(() =>
    {
        var newest = store.Newest ?? throw new CheckpointException("there is no checkpoint");
        try
        {
            return (newest.Round, store.Load(newest));
        }
        catch (CheckpointException)
        {
            store.Forget(newest);
            throw;
        }
    });

    /// <summary>Waits until all is done that was asked for.</summary>
    public Task WhenIdleAsync() => InTurnAsync(() => 0);

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<T> InTurnAsync<T>(Func<T> work)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Run(work).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }
}
