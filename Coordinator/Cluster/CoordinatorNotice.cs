using Akka.Actor;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Cluster;

/// <summary>Messages of the coordinator's process to its actor; they never leave the process.</summary>
internal abstract record CoordinatorNotice : INoSerializationVerificationNeeded
{
    internal sealed record LinkClosed(string Worker, string Reason) : CoordinatorNotice;
    internal sealed record LocalWorkerEnded(string Worker, string Reason, int ExitCode) : CoordinatorNotice;
    internal sealed record RestartLocal(string Worker) : CoordinatorNotice; // The pause before the restart is over.
    internal sealed record Drain(string Worker, TaskCompletionSource<DrainOutcome> Outcome) : CoordinatorNotice;
    internal sealed record Abort(string Reason) : CoordinatorNotice;
    internal sealed record StepAside(string Reason) : CoordinatorNotice; // End now; another process takes over the run.
    internal sealed record StateCollected(byte[] State) : CoordinatorNotice;
    internal sealed record ResultWritten : CoordinatorNotice;
    internal sealed record ResultNotWritten(Exception Error) : CoordinatorNotice;
    internal sealed record WriteResult : CoordinatorNotice;
    internal sealed record CheckpointArrived(long Applied, byte[] State) : CoordinatorNotice;
    internal sealed record CheckpointStored(Manifest Manifest) : CoordinatorNotice;
    internal sealed record CheckpointFailed(long Step, string Reason) : CoordinatorNotice;
    internal sealed record StateLoaded(string Worker, int Generation, long Applied, byte[] State) : CoordinatorNotice;
    internal sealed record StateDamaged(int Generation, string Reason) : CoordinatorNotice;
    internal sealed record RecordsSafe(long Before) : CoordinatorNotice; // Rounds before this one are on the disk.
    internal sealed record RecordsUnsafe : CoordinatorNotice;
    internal sealed record DataOffered(IActorRef Worker, DataOffer Offer) : CoordinatorNotice;
    internal sealed record DataNotFound(IActorRef Worker, string Reason) : CoordinatorNotice;
    internal sealed record DataNotSent(IActorRef Worker, string Reason) : CoordinatorNotice;
    internal sealed record Refresh : CoordinatorNotice;
    internal sealed record ReturnOver : CoordinatorNotice; // The time for former workers to return is over.

    // Completes when the workers have heard how the run has ended.
    internal sealed record WhenHeard(TaskCompletionSource Heard) : CoordinatorNotice;
    internal sealed record Overdue : CoordinatorNotice; // The time for the workers to end is over.
}

/// <summary>Turns events of other threads into messages to the coordinator's actor.</summary>
internal sealed class CoordinatorNotices : ILocalWorkers
{
    private readonly Lock _lock = new();
    private readonly List<CoordinatorNotice> _early = [];
    private IActorRef _actor = ActorRefs.Nobody;

    /// <summary>The receiver; the first one also receives the notices from before it was set.</summary>
    public IActorRef Actor
    {
        get => _actor;
        set
        {
            lock (_lock)
            {
                _actor = value;
                foreach (var notice in _early) value.Tell(notice);
                _early.Clear();
            }
        }
    }

    public LocalWorkerGroup? Local { get; set; }
    public IReadOnlyCollection<string> Names => Local?.Names ?? [];

    public string? LogOf(string worker) => Local?.LogOf(worker);
    public void Restart(string worker) => Local?.Restart(worker);
    public void LinkClosed(string worker, string reason) => Tell(new CoordinatorNotice.LinkClosed(worker, reason));

    public void WorkerEnded(LocalWorkerExit exit)
    {
        if (exit.Stopping) return;
        var reason = exit.LastError ?? $"exit code {exit.ExitCode}";
        Tell(new CoordinatorNotice.LocalWorkerEnded(exit.Name, reason, exit.ExitCode));
    }

    public async Task HeardAsync(TimeSpan timeout)
    {
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Tell(new CoordinatorNotice.WhenHeard(heard));
        await Task.WhenAny(heard.Task, Task.Delay(timeout));
    }

    private void Tell(CoordinatorNotice notice)
    {
        lock (_lock)
        {
            if (_actor.IsNobody()) _early.Add(notice);
            else _actor.Tell(notice);
        }
    }
}
