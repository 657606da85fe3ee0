using Distributed.Coordinator.Cluster;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// Starts workers of a <see cref="ClusterSimulation"/> again, as a coordinator does with those on its machine: the real policy decides
/// which. When the coordinator hears of an end, and how long the pause before a restart is, is left open.
/// </summary>
/// <param name="simulation">The cluster.</param>
/// <param name="workers">How many it has started.</param>
/// <param name="maxRestarts">Restarts that the coordinator's process may make.</param>
internal sealed class SimulatedStarter(ClusterSimulation simulation, int workers, int maxRestarts)
{
    private readonly List<(string Worker, WorkerEnding Ending)> _ended = [];
    private readonly List<string> _pausing = [];
    private RestartPolicy _policy = new(maxRestarts);

    /// <summary>The workers that it has started.</summary>
    public IReadOnlyList<string> Names { get; } = [.. Enumerable.Range(1, workers).Select(number => $"worker-{number}")];

    /// <summary>Whether no further worker is started again.</summary>
    public bool IsUsedUp => _policy.Used == maxRestarts;

    /// <summary>The process of a worker has ended, of which the coordinator will hear.</summary>
    public void Ended(string worker, WorkerEnding ending) => _ended.Add((worker, ending));

    /// <summary>What can happen next.</summary>
    public IEnumerable<Action> Actions()
    {
        foreach (var ended in _ended) yield return () => Notice(ended.Worker, ended.Ending);
        foreach (var worker in _pausing) yield return () => Start(worker);
    }

    private void Notice(string worker, WorkerEnding ending)
    {
        _ended.Remove((worker, ending));
        if (simulation.Current.IsOver) return;
        simulation.Current.Lose(worker, $"{ending}");
        (_policy, var decision) = _policy.Ended(worker, ending, $"{ending}");
        if (decision is RestartDecision.Restart) _pausing.Add(worker);
        else simulation.Current.Decide(new ClusterEvent.Supply(_policy.LeftOf(Names), ((RestartDecision.None)decision).Why));
    }

    private void Start(string worker)
    {
        _pausing.Remove(worker);
        if (simulation.Current.IsOver) return;
        simulation.Census.Count("worker started again");
        simulation.Join(worker);
    }
}
