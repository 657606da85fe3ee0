using Akka.Actor;
using Distributed.Coordinator.Checkpoints;
using Distributed.Coordinator.Delivery;
using Distributed.Coordinator.Draining;

namespace Distributed.Coordinator.Actors;

/// <summary>What the coordinator's process tells its actor; never leaves the process.</summary>
public abstract record CoordinatorNotice : INoSerializationVerificationNeeded
{
    /// <summary>A worker's link is closed.</summary>
    public sealed record LinkClosed(string Worker, string Reason) : CoordinatorNotice;

    /// <summary>A worker process that this coordinator started has ended by itself.</summary>
    public sealed record LocalWorkerEnded(string Worker, string Reason, int ExitCode) : CoordinatorNotice;

    /// <summary>The pause before a worker is started again is over.</summary>
    public sealed record RestartLocal(string Worker) : CoordinatorNotice;

    /// <summary>Somebody wants a worker to leave, and to hear what comes of it.</summary>
    public sealed record Drain(string Worker, TaskCompletionSource<DrainOutcome> Outcome) : CoordinatorNotice;

    /// <summary>The run is to end now.</summary>
    public sealed record Abort(string Reason) : CoordinatorNotice;

    /// <summary>This process is to end now; another takes over the run and its workers.</summary>
    public sealed record StepAside(string Reason) : CoordinatorNotice;

    /// <summary>The result has arrived.</summary>
    public sealed record StateCollected(byte[] State) : CoordinatorNotice;

    /// <summary>The result is on the disk.</summary>
    public sealed record ResultWritten : CoordinatorNotice;

    /// <summary>The result could not be written.</summary>
    public sealed record ResultNotWritten(Exception Error) : CoordinatorNotice;

    /// <summary>The result is to be written again.</summary>
    public sealed record WriteResult : CoordinatorNotice;

    /// <summary>A state has come that is to be stored.</summary>
    public sealed record CheckpointArrived(long Applied, byte[] State) : CoordinatorNotice;

    /// <summary>It is stored.</summary>
    public sealed record CheckpointStored(Manifest Manifest) : CoordinatorNotice;

    /// <summary>It could not be stored.</summary>
    public sealed record CheckpointFailed(long Step, string Reason) : CoordinatorNotice;

    /// <summary>The stored state that a worker is to be sent.</summary>
    public sealed record StateLoaded(string Worker, int Generation, long Applied, byte[] State) : CoordinatorNotice;

    /// <summary>It cannot be read.</summary>
    public sealed record StateDamaged(int Generation, string Reason) : CoordinatorNotice;

    /// <summary>Rounds before this one are on the disk: their reports need not be kept by anybody else.</summary>
    public sealed record RecordsSafe(long Before) : CoordinatorNotice;

    /// <summary>Records could not be made durable; the reports are still needed.</summary>
    public sealed record RecordsUnsafe : CoordinatorNotice;

    /// <summary>Data has been found for a worker that has not got it.</summary>
    public sealed record DataOffered(IActorRef Worker, DataOffer Offer) : CoordinatorNotice;

    /// <summary>None has been found.</summary>
    public sealed record DataNotFound(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>Not all of it could be sent.</summary>
    public sealed record DataNotSent(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>What people see is to be brought up to date.</summary>
    public sealed record Refresh : CoordinatorNotice;

    /// <summary>The workers of the last plan had time enough to come back.</summary>
    public sealed record ReturnOver : CoordinatorNotice;

    /// <summary>Somebody waits until the workers have heard how the run has ended.</summary>
    public sealed record WhenHeard(TaskCompletionSource Heard) : CoordinatorNotice;

    /// <summary>The workers had time enough to end.</summary>
    public sealed record Overdue : CoordinatorNotice;
}
