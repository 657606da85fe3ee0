using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// Has the records of rounds flushed to the disk, and tells workers that they need not keep the reports of those rounds then. Used by the
/// thread of the coordinator's actor.
/// </summary>
/// <param name="restart">Knows whether the next coordinator could make use of the records.</param>
/// <param name="coordinator">The actor, which hears what became of a flush.</param>
internal sealed class SafeRecords(CoordinatorContext run, ConnectedWorkers workers, RestartRecord restart, IActorRef coordinator)
{
    private readonly FlushSchedule _schedule = new(run.Recorder.Entered);

    /// <summary>Tells a worker that is prepared: one that keeps as many reports as it may waits for this.</summary>
    public void Tell(string worker)
    {
        if (_schedule.Safe > 0) workers.Tell(worker, new ReportsSafe(_schedule.Safe));
    }

    /// <summary>Flushes the records, if that is due. To be called again and again, also where no round is entered.</summary>
    /// <param name="facts">What all workers agree on; null before the first was prepared.</param>
    public void FlushIfDue(WorkerFacts? facts)
    {
        if (facts is null || _schedule.Due(run.Recorder.Entered, MessageBounds.SafeInterval(facts.Layout.Tallies), restart.IsSaved) is not { } rounds) return;
        run.Checkpoints.FlushAsync(rounds).PipeTo(coordinator,
            success: before => new CoordinatorNotice.RecordsSafe(before), failure: _ => new CoordinatorNotice.RecordsUnsafe());
    }

    /// <summary>Rounds before this one are on the disk.</summary>
    public void Flushed(long before)
    {
        _schedule.Flushed(before);
        workers.TellAll(new ReportsSafe(before));
    }

    public void NotFlushed() => _schedule.Failed();
}
