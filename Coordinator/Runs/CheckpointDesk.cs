using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Runs;

/// <summary>Waits for the disk in the place of its callers: writes and reads checkpoints, and makes records durable, one after another.</summary>
/// <param name="store">Where the checkpoints are.</param>
/// <param name="journal">The records that a checkpoint depends on.</param>
internal sealed class CheckpointDesk(CheckpointStore store, RunJournal journal) : IDisposable
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

    /// <summary>Reads a stored state, see <see cref="Load"/>.</summary>
    public Task<(long Applied, byte[] State)> LoadAsync(StoredState state) => InTurnAsync(() => Load(state));

    /// <summary>Stores a state, for a caller whose turn it is. Fails like <see cref="CheckpointStore.Save"/>.</summary>
    public Manifest Save(CheckpointFacts facts, byte[] state) => store.Save(facts, state, journal.FlushToDisk);

    /// <summary>Makes durable what was recorded before, for a caller whose turn it is. Fails like <see cref="RunJournal.FlushToDisk"/>.</summary>
    public long Flush(long rounds)
    {
        journal.FlushToDisk();
        return rounds;
    }

    /// <summary>
    /// Reads a stored state, for a caller whose turn it is; one that is damaged is left out from then on. Not the newest state, which another
    /// may have become in the meantime: the workers expect this one. Fails like <see cref="CheckpointStore.Load"/>, also where it is left out.
    /// </summary>
    public (long Applied, byte[] State) Load(StoredState state)
    {
        var wanted = store.All.FirstOrDefault(stored => stored.Round == state.Applied && stored.Digest == state.Digest.ToString())
            ?? throw new CheckpointException($"the checkpoint of {state.Applied} rounds is not there any more");
        try
        {
            return (wanted.Round, store.Load(wanted));
        }
        catch (CheckpointException)
        {
            store.Forget(wanted);
            throw;
        }
    }

    /// <summary>Waits until all is done that was asked for.</summary>
    public Task WhenIdleAsync() => InTurnAsync(() => 0);

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
