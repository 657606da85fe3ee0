using Akka.Actor;

namespace Distributed.Coordinator.Cluster;

/// <summary>What happens on other threads, as messages to the coordinator's actor.</summary>
internal sealed class CoordinatorNotices : ILocalWorkers
{
    private readonly Lock _lock = new();
    private readonly List<CoordinatorNotice> _early = [];
    private IActorRef _actor = ActorRefs.Nobody;

    /// <summary>Who hears of it; the first one also hears what happened before.</summary>
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
        if (!exit.Stopping) Tell(new CoordinatorNotice.LocalWorkerEnded(exit.Name, exit.LastError ?? $"exit code {exit.ExitCode}", exit.ExitCode));
    }

    /// <summary>Waits until the workers have heard how the run has ended.</summary>
    /// <param name="most">How long at most.</param>
    public async Task HeardAsync(TimeSpan most)
    {
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Tell(new CoordinatorNotice.WhenHeard(heard));
        await Task.WhenAny(heard.Task, Task.Delay(most));
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
