using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Metrics;

namespace Distributed.Coordinator.Cluster;

// Stores the checkpoints that arrive, one at a time, and loads them again. Used by the thread of the coordinator's actor, which receives
// the outcome as a notice.
// isRestartable: Whether the rest of what a restarted coordinator needs is written.
internal sealed class CheckpointWriter(CheckpointStore store, RunRecorder recorder, CheckpointMetrics metrics, ILoggingAdapter log,
    IActorRef coordinator, Func<bool> isRestartable)
{
    private readonly PendingCheckpoints _pending = new();
    private bool _isStoring;
    private int _failed;
    private long _storingSince;
    private (int Generation, StoredState? State, Task<byte[]>? Task) _loading;

    public void Arrived(long applied, byte[] state, Rounds rounds)
    {
        if (_pending.Add(applied, state, rounds) is { } leftOut)
            log.Info("The checkpoint after {0} rounds is left out: another was still being written", leftOut);
        StoreNext();
    }

    public void StoreNext()
    {
        if (_isStoring || !isRestartable() || _pending.Next(recorder.FactsAfter) is not var (facts, state)) return;
        (_isStoring, _storingSince) = (true, Stopwatch.GetTimestamp());
        store.SaveAsync(facts, state, recorder.FlushToDisk).PipeTo(coordinator,
            success: manifest => new CoordinatorNotice.CheckpointStored(manifest),
            failure: error => new CoordinatorNotice.CheckpointFailed(facts.Step, error.Message));
    }

    public void Stored(Manifest manifest)
    {
        var bytes = manifest.Files.Sum(file => file.Bytes);
        recorder.Happened(RunEventKind.Checkpoint, $"checkpoint of step {manifest.Step}: {bytes} bytes");
        if (_failed > 0)
            recorder.Happened(RunEventKind.Note,
                $"checkpoints are written again, from step {manifest.Step} on; {_failed} could not be written");
        _failed = 0;
        metrics.Stored(bytes, manifest.SavedAt, Stopwatch.GetElapsedTime(_storingSince));
        _isStoring = false;
    }

    public void Failed(long step, string reason)
    {
        if (_failed++ == 0)
            recorder.Happened(RunEventKind.Fault, $"the checkpoint of step {step} could not be written: {reason.TrimEnd('.')}. "
                + "Training continues; the coordinator tries later checkpoints and reports when one is written");
        metrics.Failed();
        _isStoring = false;
    }

    /// <summary>Loads a state once for all workers of a generation, even if another state becomes the newest meanwhile.</summary>
    public void Load(string receiver, int generation, StoredState state)
    {
        if ((_loading.Generation, _loading.State) != (generation, state)) _loading = (generation, state, store.LoadAsync(state));
        _loading.Task!.PipeTo(coordinator,
            success: bytes => new CoordinatorNotice.StateLoaded(receiver, generation, state.Applied, bytes),
            failure: error => new CoordinatorNotice.StateDamaged(generation, error.Message));
    }

    public void Begin(Plan plan)
    {
        _loading = default;
        _pending.Begin(plan);
    }
}
