using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

// Flushes the records of rounds to the disk, and tells the workers that they may discard the reports of those rounds. Used by the thread
// of the coordinator's actor, which receives the outcome as a notice.
internal sealed class SafeRecords(CoordinatorContext run, ConnectedWorkers workers, RestartRecord restart, IActorRef coordinator)
{
    private readonly FlushSchedule _schedule = new(run.Recorder.Entered);

    /// <summary>Tells a prepared worker, which may hold as many reports as it may and wait for this.</summary>
    public void Tell(string worker)
    {
        if (_schedule.Safe > 0) workers.Tell(worker, new ReportsSafe(_schedule.Safe));
    }

    /// <summary>Call repeatedly, even if no round is entered.</summary>
    public void FlushIfDue(WorkerFacts? facts)
    {
        if (facts is null) return;
        var interval = MessageBounds.SafeInterval(facts.Layout.Tallies);
        if (_schedule.Due(run.Recorder.Entered, interval, restart.IsSaved) is not { } rounds) return;
        run.Checkpoints.RunAsync(() =>
        {
            run.Recorder.FlushToDisk();
            return rounds;
        }).PipeTo(coordinator,
            success: before => new CoordinatorNotice.RecordsSafe(before), failure: _ => new CoordinatorNotice.RecordsUnsafe());
    }

    public void Flushed(long before)
    {
        _schedule.Flushed(before);
        workers.TellAll(new ReportsSafe(before));
    }

    public void NotFlushed() => _schedule.Failed();
}
