using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Drives the protocol one event at a time.</summary>
internal sealed class ToldCluster(int startWith = 1, int minWorkers = 1, Topology topology = Topology.Star)
{
    /// <summary>Two steps and an evaluation.</summary>
    public static readonly JobShape Job = new(Epochs: 1, Batch: 4, MicroBatches: 2);

    public static readonly WorkerFacts Facts = new("data", 7, 5, new(10, 3), 8, "initial", "host", 4711);

    public static WorkerFacts FactsOf(string worker) => Facts with { LinkHost = worker };

    public ClusterProtocol State { get; set; } = new() { Job = Job, Topology = topology, StartWith = startWith, MinWorkers = minWorkers };

    /// <summary>The knowledge of a restarted coordinator.</summary>
    public static ClusterProtocol Resumed(Topology topology, params string[] workers) => new()
    {
        Job = Job,
        Topology = topology,
        StartWith = 1,
        MinWorkers = 1,
        IsOpen = true,
        Generation = 4,
        Reached = 1,
        Facts = FactsOf("a"),
        Rounds = new(7, 5, 1, 4, 2),
        Returning = [.. workers],
    };

    /// <summary>The effects of these events, without the welcome that follows every registration.</summary>
    public List<ClusterEffect> Tell(params ClusterEvent[] events)
    {
        var all = new List<ClusterEffect>();
        foreach (var happened in events)
        {
            (State, var effects) = State.Handle(happened);
            all.AddRange(effects.Where(effect => effect is not ClusterEffect.Welcome));
        }
        return all;
    }

    public ToldCluster Prepare(params string[] workers)
    {
        foreach (var worker in workers) Tell(new ClusterEvent.Registered(worker), new ClusterEvent.Prepared(worker, FactsOf(worker)));
        return this;
    }

    /// <summary>The first plan is in force.</summary>
    public ToldCluster Train(params string[] workers)
    {
        Prepare(workers);
        foreach (var worker in workers) Tell(new ClusterEvent.Halted(worker, 1, 0));
        Assert.Equal(ClusterPhase.Training, State.Phase);
        return this;
    }

    public List<ClusterEffect> HaltAll(int generation, long applied, params string[] workers) =>
        Tell([.. workers.Select(w => new ClusterEvent.Halted(w, generation, applied))]);

    public void AssertIgnores(params ClusterEvent[] events)
    {
        var before = State;
        Assert.Empty(Tell(events));
        Assert.Equal(before, State);
    }
}
