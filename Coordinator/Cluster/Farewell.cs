using Akka.Actor;
using Akka.Event;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

// The end of a run: tells the workers until they confirm, and gives the same answer to workers that come later. Used by the thread of the
// coordinator's actor, which passes on every message from then on.
// said: Dismissed or Refused; null to tell the workers nothing.
internal sealed class Farewell(
    CoordinatorContext run, ConnectedWorkers workers, Watches watches, ILoggingAdapter log, ICoordinatorMessage? said, DrainOutcome drained)
{
    private TaskCompletionSource? _heard;

    public void Say()
    {
        if (said is not null) workers.TellAll(said);
    }

    public void Answer(object message, IActorRef sender)
    {
        switch (message)
        {
            case CoordinatorNotice.Drain drain:
                drain.Outcome.TrySetResult(drained);
                break;
            case CoordinatorNotice.WhenHeard wait:
                _heard = wait.Heard;
                break;
            case Terminated gone when workers.NameOf(gone.ActorRef) is { } worker:
                workers.Remove(worker);
                run.Targets.Remove(worker);
                break;
            case Numbered numbered when said is not null:
                workers.Hear(sender, numbered);
                break;
            case Heard heard when said is not null:
                workers.Hear(sender, heard);
                break;
            case CoordinatorNotice.Refresh when said is not null:
                workers.Pass(watches.Elapsed());
                break;
            case Register register when said is not null:
                AnswerNewcomer(register, sender);
                break;
        }
        if (said is null || workers.AllHeard) _heard?.TrySetResult();
    }

    // A worker of this job may have lost its link before it heard the farewell, and returns.
    private void AnswerNewcomer(Register register, IActorRef sender)
    {
        if (said is Dismissed dismissed && !run.HadPart(register)) ConnectedWorkers.Refuse(sender, dismissed.Reason, log);
        else if (said is Refused refused) ConnectedWorkers.Refuse(sender, refused.Reason, log);
        else sender.Tell(said);
    }
}
