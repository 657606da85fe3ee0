using Akka.Actor;
using Akka.Event;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// The end of a run: its workers are told, as often as it takes, and a worker that comes later gets the same answer. Used by the thread of the
/// coordinator's actor, which hands on every message from then on.
/// </summary>
/// <param name="run">Has the targets of metrics, and decides who had a part in the job.</param>
/// <param name="watches">Tell how long this process was awake.</param>
/// <param name="log">For people: who is refused.</param>
/// <param name="said">What the workers are told: <see cref="Dismissed"/> or <see cref="Refused"/>; null for nothing.</param>
/// <param name="drained">The answer to a request that a worker leaves.</param>
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

    /// <summary>A worker that had a part comes back where it has lost its link before it has heard the farewell.</summary>
    private void AnswerNewcomer(Register register, IActorRef sender)
    {
        switch (said)
        {
            case Dismissed dismissed when !run.HadPart(register):
                ConnectedWorkers.Refuse(sender, dismissed.Reason, log);
                break;
            case Refused refused:
                ConnectedWorkers.Refuse(sender, refused.Reason, log);
                break;
            default:
                sender.Tell(said);
                break;
        }
    }
}
