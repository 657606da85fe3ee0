using Akka.Actor;
using Distributed.Shared.Protocol;

namespace Distributed.Coordinator.Actors;

/// <summary>
/// When the records of rounds are flushed to the disk, and that workers need not keep the reports of those rounds then. Used by the thread
/// of the coordinator's actor.
/// </summary>
/// <param name="run">Has the records.</param>
/// <param name="workers">Are told.</param>
/// <param name="coordinator">The actor, which hears what became of a flush.</param>
internal sealed class SafeRecords(CoordinatorContext run, ConnectedWorkers workers, IActorRef coordinator)
{
    private long _safe = run.Recorder.Entered;
    private long _begun = run.Recorder.Entered;

    /// <summary>Tells a worker that is prepared: one that keeps as many reports as it may waits for this.</summary>
    public void Tell(string worker)
    {
        if (_safe > 0) workers.Tell(worker, new ReportsSafe(_safe));
    }

    /// <summary>Rounds were entered, each with so many tallies. Flushes them if they are many.</summary>
    public void Entered(int tallies)
    {
        if (run.Recorder.Entered < _begun + MessageBounds.SafeInterval(tallies)) return;
        _begun = run.Recorder.Entered;
        run.Checkpoints.FlushAsync(_begun).PipeTo(coordinator,
            success: before => new CoordinatorNotice.RecordsSafe(before), failure: _ => new CoordinatorNotice.RecordsUnsafe());
    }

    /// <summary>Rounds before this one are on the disk.</summary>
    public void Flushed(long before) => workers.TellAll(new ReportsSafe(_safe = before));

    /// <summary>The flush failed: the next rounds that are entered try it again.</summary>
    public void NotFlushed() => _begun = _safe;
}
