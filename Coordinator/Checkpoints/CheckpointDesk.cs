using Distributed.Coordinator.Runs;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Checkpoints;

/// <summary>Waits for the disk in the place of its callers: writes and reads checkpoints, and makes records durable, one after another.</summary>
/// <param name="store">Where the checkpoints are.</param>
/// <param name="journal">The records that a checkpoint depends on.</param>
public sealed class CheckpointDesk(CheckpointStore store, RunJournal journal) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>The newest state that could be handed out, as the protocol knows it; null where there is none.</summary>
    public StoredState? Newest => store.Newest is { } newest ? new(newest.Round, StateDigest.Parse(newest.Digest)) : null;

    /// <summary>The most that the metric has been in one of them; not a number where there is none.</summary>
    public double Best => store.Best?.TestMetric ?? double.NaN;

    /// <summary>Stores a state, see <see cref="Save"/>.</summary>
    public Task<Manifest> SaveAsync(CheckpointFacts facts, byte[] state) => InTurnAsync(() => Save(facts, state));

    /// <summary>Makes records durable, see <see cref="Flush"/>.</summary>
    public Task<long> FlushAsync(long rounds) => InTurnAsync(() => Flush(rounds));

    /// <summary>Reads the newest state, see <see cref="Load"/>.</summary>
    public Task<(long Applied, byte[] State)> LoadAsync() => InTurnAsync(Load);

    /// <summary>Stores a state, for a caller whose turn it is. Fails like <see cref="CheckpointStore.Save"/>.</summary>
    public Manifest Save(CheckpointFacts facts, byte[] state) => store.Save(facts, state, journal.FlushToDisk);

    /// <summary>Makes durable what was recorded before, for a caller whose turn it is. Fails like <see cref="RunJournal.FlushToDisk"/>.</summary>
    /// <param name="rounds">Rounds that were recorded.</param>
    /// <returns>The same number.</returns>
    public long Flush(long rounds)
    {
        journal.FlushToDisk();
        return rounds;
    }

    /// <summary>Reads the newest state, for a caller whose turn it is; one that is damaged is left out from then on. Fails like <see cref="CheckpointStore.Load"/>.</summary>
    public (long Applied, byte[] State) Load()
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
    }

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
