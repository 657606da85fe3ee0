using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>The workers: how they join and end, and how messages between them and the coordinators travel.</summary>
internal sealed partial class ClusterSimulation
{
    /// <summary>A worker without a coordinator registers with the current one.</summary>
    public void Offer(SimulatedWorker worker, Register register) => ToCoordinator(worker, Current, register);

    public void ToCoordinator(SimulatedWorker worker, SimulatedCoordinator coordinator, IControlMessage message)
    {
        var life = worker.Life;
        _network.Send($"{worker.Id}/{life}", worker, coordinator, message, arrived =>
        {
            if (coordinator == Current || coordinator == _former) coordinator.Receive(worker, life, arrived);
        });
    }

    public void ToWorker(SimulatedCoordinator coordinator, SimulatedWorker worker, IControlMessage message)
    {
        var life = worker.Life;
        _network.Send($"{worker.Id}/{life}", coordinator, worker, message, arrived => worker.Receive(coordinator, life, arrived));
    }

    /// <summary>
    /// Whether messages are numbered and repeated, as in the product. A simulation without numbers shows that the simulator finds the
    /// faults that the numbers prevent.
    /// </summary>
    public bool IsNumbered { get; init; } = true;

    /// <summary>The messages to send now.</summary>
    public IReadOnlyList<IControlMessage> Due(Conversation conversation)
    {
        var due = conversation.Due();
        // No message waits for an answer, so none is repeated.
        if (!IsNumbered)
            foreach (var said in due.OfType<Numbered>()) conversation.Hear(new Heard(conversation.Id, said.Number));
        return due;
    }

    /// <summary>A message has arrived.</summary>
    /// <returns>Its content; null where an earlier message is missing.</returns>
    public IControlMessage? Hear(Conversation conversation, Numbered message)
    {
        var said = conversation.Hear(message);
        return IsNumbered || message.Conversation != conversation.Id ? said : message.Content;
    }

    public SimulatedWorker? Find(string worker) => _workers.GetValueOrDefault(worker);

    /// <summary>Whether two workers cannot reach each other.</summary>
    public bool IsBlocked(string worker, string peer) => _blocked == (worker, peer) || _blocked == (peer, worker);

    private T? AnyOf<T>(List<T> choices) where T : class => choices.Count < 1 ? null : choices[Random.Next(choices.Count)];

    /// <summary>A worker's process ends; its coordinator will notice.</summary>
    public void End(SimulatedWorker worker, WorkerEnding ending = WorkerEnding.Left)
    {
        if (!_workers.Remove(worker.Id)) return;
        worker.IsGone = true;
        _starter?.Ended(worker.Id, ending);
        foreach (var link in worker.Links.Values) link.Break(Random);
        foreach (var coordinator in (SimulatedCoordinator?[])[Current, _former])
            if (coordinator?.Workers.Contains(worker) == true) _closed.Add((worker.Id, coordinator));
    }

    private void NoticeClosed((string Worker, SimulatedCoordinator Coordinator) closed)
    {
        _closed.Remove(closed);
        closed.Coordinator.Lose(closed.Worker, "its link is closed");
    }

    private void Join(Misfit misfit = Misfit.None) => Join($"worker-{++_born}", misfit);

    /// <summary>A worker of this name begins to look for the coordinator.</summary>
    public void Join(string worker, Misfit misfit = Misfit.None)
    {
        // The coordinator has heard that a former process of this name is gone.
        _closed.RemoveAll(closed => closed.Worker == worker);
        var joining = new SimulatedWorker(worker, this, misfit);
        if (misfit != Misfit.None) _misfits.Add(worker);
        _workers.Add(worker, joining);
        joining.Start();
    }

    /// <summary>A coordinator starts local workers.</summary>
    private void StartLocal(int workers)
    {
        (_starter, _leaves) = (new(this, workers, _maxRestarts!.Value), workers);
        foreach (var worker in _starter.Names) Join(worker);
    }

    /// <summary>A coordinator begins a plan.</summary>
    public void Began(SimulatedCoordinator coordinator, Plan plan)
    {
        Lineage.Began(plan, [.. _workers.Values.Where(w => plan.Includes(w.Id) && w.IsWith(coordinator))], coordinator.Cluster.Stored);
        if (!_areAllNew) return;
        _areAllNew = false;
        Census.Count(plan.FirstRound > 0 ? "all gone, continued from a checkpoint" : "all gone, begun again");
    }

    /// <summary>A replica has applied a round.</summary>
    public void Check(SimulatedWorker worker, long round)
    {
        Lineage.Applied(worker.Protocol.Generation, round, worker.State);
        _highest = Math.Max(_highest, round + 1);
        if (worker.Protocol.Plan is not { } plan || HadTwo) return;
        foreach (var other in _workers.Values)
            if (other.Protocol.Plan?.Generation == plan.Generation) Assert.InRange(other.Applied, worker.Applied - 1, worker.Applied + 1);
    }

    /// <summary>The worker that the coordinator turned away reaches the other one again.</summary>
    public void Unblock() => _blocked = null;
}
