using Akka.Actor;
using Distributed.Coordinator.LocalWorkers;

namespace Distributed.Coordinator.Actors;

/// <summary>What happens on other threads, as messages to the coordinator's actor.</summary>
internal sealed class CoordinatorNotices : ILocalWorkers
{
    public IActorRef Actor { get; set; } = ActorRefs.Nobody;

    public LocalWorkerGroup? Local { get; set; }

    public IReadOnlyCollection<string> Living => Local?.Living ?? [];

    public string? LogOf(string worker) => Local?.LogOf(worker);

    public void Restart(string worker) => Local?.Restart(worker);

    public void LinkClosed(string worker, string reason) => Actor.Tell(new CoordinatorNotice.LinkClosed(worker, reason));

    public void WorkerEnded(LocalWorkerExit exit)
    {
        if (!exit.Stopping) Actor.Tell(new CoordinatorNotice.LocalWorkerEnded(exit.Name, exit.LastError ?? $"exit code {exit.ExitCode}", exit.ExitCode));
    }
}
