using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// Decides which of the states that come are stored, one at a time, and has them loaded again. Used by the thread of the coordinator's
/// actor, which hears as a notice what became of it.
/// </summary>
/// <param name="recorder">Knows the rounds that are reported, and tells people.</param>
/// <param name="log">For people: what is left out.</param>
/// <param name="isRestartable">Whether all else is written that a coordinator needs to continue from a checkpoint.</param>
internal sealed class CheckpointKeeper(CheckpointDesk desk, RunRecorder recorder, CheckpointMetrics metrics, ILoggingAdapter log, IActorRef coordinator, Func<bool> isRestartable)
{
    private readonly PendingCheckpoints _pending = new();
    private bool _isStoring;
    private int _failed;
    private long _storingSince;
    private (int Generation, StoredState? State, Task<(long Applied, byte[] State)>? Task) _loading;

    /// <param name="state">The state, as a safetensors file.</param>
    public void Arrived(long applied, byte[] state, Rounds rounds)
    {
        if (_pending.Add(applied, state, rounds) is { } leftOut) log.Info("The checkpoint after {0} rounds is left out: another was still being written", leftOut);
        StoreNext();
    }

    /// <summary>Stores the state that has come, once its round is reported and the one before it is stored.</summary>
    public void StoreNext()
    {
        if (_isStoring || !isRestartable() || _pending.Next(recorder.FactsAfter) is not var (facts, state)) return;
        (_isStoring, _storingSince) = (true, Stopwatch.GetTimestamp());
        desk.SaveAsync(facts, state).PipeTo(coordinator,
            success: manifest => new CoordinatorNotice.CheckpointStored(manifest),
            failure: error => new CoordinatorNotice.CheckpointFailed(facts.Step, error.Message));
    }

    public void Stored(Manifest manifest)
    {
        var bytes = manifest.Files.Sum(file => file.Bytes);
        recorder.Happened(RunEventKind.Checkpoint, $"checkpoint of step {manifest.Step}: {bytes} bytes");
        if (_failed > 0) recorder.Happened(RunEventKind.Note, $"checkpoints are written again, from step {manifest.Step} on; {_failed} could not be");
        _failed = 0;
        metrics.Stored(bytes, manifest.SavedAt, Stopwatch.GetElapsedTime(_storingSince));
        _isStoring = false;
    }

    /// <summary>One could not be stored.</summary>
    public void Failed(long step, string reason)
    {
        if (_failed++ == 0)
            recorder.Happened(RunEventKind.Fault, $"the checkpoint of step {step} could not be written: {reason.TrimEnd('.')}. Training continues; a later one is tried, and this is told again when one is written");
        metrics.Failed();
        _isStoring = false;
    }

    /// <summary>Has a stored state loaded for a worker, once for all workers of a generation. Another state may become the newest meanwhile.</summary>
    public void Load(string receiver, int generation, StoredState state)
    {
        if ((_loading.Generation, _loading.State) != (generation, state)) _loading = (generation, state, desk.LoadAsync(state));
        _loading.Task!.PipeTo(coordinator,
            success: stored => new CoordinatorNotice.StateLoaded(receiver, generation, stored.Applied, stored.State),
            failure: error => new CoordinatorNotice.StateDamaged(generation, error.Message));
    }

    /// <summary>A plan begins: states of later rounds nobody holds any more, and where the bits depend on the workers, what is done again differs from them.</summary>
    public void Begin(Plan plan)
    {
        _loading = default;
        _pending.Begin(plan);
    }
}
