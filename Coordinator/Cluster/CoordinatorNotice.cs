using Akka.Actor;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Cluster;

/// <summary>What the coordinator's process tells its actor; never leaves the process.</summary>
internal abstract record CoordinatorNotice : INoSerializationVerificationNeeded
{
    internal sealed record LinkClosed(string Worker, string Reason) : CoordinatorNotice;

    /// <summary>A worker process that this coordinator started has ended by itself.</summary>
    internal sealed record LocalWorkerEnded(string Worker, string Reason, int ExitCode) : CoordinatorNotice;

    /// <summary>The pause before a worker is started again is over.</summary>
    internal sealed record RestartLocal(string Worker) : CoordinatorNotice;

    /// <summary>Somebody wants a worker to leave, and to hear what comes of it.</summary>
    internal sealed record Drain(string Worker, TaskCompletionSource<DrainOutcome> Outcome) : CoordinatorNotice;

    internal sealed record Abort(string Reason) : CoordinatorNotice;

    /// <summary>This process is to end now; another takes over the run and its workers.</summary>
    internal sealed record StepAside(string Reason) : CoordinatorNotice;

    internal sealed record StateCollected(byte[] State) : CoordinatorNotice;

    internal sealed record ResultWritten : CoordinatorNotice;

    /// <summary>The result could not be written.</summary>
    internal sealed record ResultNotWritten(Exception Error) : CoordinatorNotice;

    /// <summary>The result is to be written again.</summary>
    internal sealed record WriteResult : CoordinatorNotice;

    internal sealed record CheckpointArrived(long Applied, byte[] State) : CoordinatorNotice;

    internal sealed record CheckpointStored(Manifest Manifest) : CoordinatorNotice;

    /// <summary>It could not be stored.</summary>
    internal sealed record CheckpointFailed(long Step, string Reason) : CoordinatorNotice;

    /// <summary>The stored state that a worker is to be sent.</summary>
    internal sealed record StateLoaded(string Worker, int Generation, long Applied, byte[] State) : CoordinatorNotice;

    /// <summary>It cannot be read.</summary>
    internal sealed record StateDamaged(int Generation, string Reason) : CoordinatorNotice;

    /// <summary>Rounds before this one are on the disk: their reports need not be kept by anybody else.</summary>
    internal sealed record RecordsSafe(long Before) : CoordinatorNotice;

    /// <summary>Records could not be made durable; the reports are still needed.</summary>
    internal sealed record RecordsUnsafe : CoordinatorNotice;

    /// <summary>Data has been found for a worker that has not got it.</summary>
    internal sealed record DataOffered(IActorRef Worker, DataOffer Offer) : CoordinatorNotice;

    /// <summary>None has been found.</summary>
    internal sealed record DataNotFound(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>Not all of it could be sent.</summary>
    internal sealed record DataNotSent(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>What people see is to be brought up to date.</summary>
    internal sealed record Refresh : CoordinatorNotice;

    /// <summary>The workers of the last plan had time enough to come back.</summary>
    internal sealed record ReturnOver : CoordinatorNotice;

    /// <summary>Somebody waits until the workers have heard how the run has ended.</summary>
    internal sealed record WhenHeard(TaskCompletionSource Heard) : CoordinatorNotice;

    /// <summary>The workers had time enough to end.</summary>
    internal sealed record Overdue : CoordinatorNotice;
}
