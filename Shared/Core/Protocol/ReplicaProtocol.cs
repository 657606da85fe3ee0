using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>What happens to a worker, as its protocol sees it.</summary>
public abstract record ReplicaEvent
{
    /// <summary>A plan has come.</summary>
    public sealed record PlanBegan(Plan Plan) : ReplicaEvent;
    /// <summary>The coordinator calls for a stop under a new generation.</summary>
    public sealed record HaltAsked(int Generation) : ReplicaEvent;
    /// <summary>The averaged contribution of the expected round is complete.</summary>
    public sealed record AverageArrived(int Generation, long Round) : ReplicaEvent;
    /// <summary>A peer's state has come: so many rounds are applied to it.</summary>
    public sealed record StateArrived(int Generation, long Applied) : ReplicaEvent;
}

/// <summary>What a worker does, as its protocol decides.</summary>
public abstract record ReplicaEffect
{
    /// <summary>Exchange nothing of older generations any more, and leave the computation in progress where it is.</summary>
    public sealed record Fence(int Generation) : ReplicaEffect;
    /// <summary>Link with the workers of this plan.</summary>
    public sealed record Begin(Plan Plan) : ReplicaEffect;
    /// <summary>Exchange this round from now on.</summary>
    public sealed record Enter(Round Round) : ReplicaEffect;
    /// <summary>Compute these micro-batches of this round and send their sums.</summary>
    public sealed record Map(Round Round, MicroBatchRange Range) : ReplicaEffect;
    /// <summary>Apply the average of this round.</summary>
    public sealed record Apply(Round Round) : ReplicaEffect;
    /// <summary>Put the state that has arrived in the place of what this replica holds.</summary>
    public sealed record Restore : ReplicaEffect;
    /// <summary>Tell the coordinator how far this replica is, at a halt.</summary>
    public sealed record ReportHalted(int Generation, long Applied) : ReplicaEffect;
    /// <summary>Tell the coordinator that this replica has caught up.</summary>
    public sealed record ReportSynced(int Generation, long Applied) : ReplicaEffect;
}

/// <summary>
/// The protocol of a worker: a replica that applies rounds in order, each exactly once, under the plan in force. Values in,
/// values out; whoever runs it computes, sends and applies.
/// </summary>
/// <param name="Worker">Id of this worker.</param>
/// <param name="Rounds">The job's rounds.</param>
/// <param name="Applied">Rounds applied: the number of the next one.</param>
/// <param name="Generation">The newest generation heard of.</param>
/// <param name="Plan">The plan in force; none between a halt and the next plan.</param>
public sealed record ReplicaProtocol(string Worker, Rounds Rounds, long Applied = 0, int Generation = 0, Plan? Plan = null)
{
    /// <summary>What follows from an event: the new state, and what to do, in order.</summary>
    /// <exception cref="ProtocolException">The coordinator asks for what cannot be.</exception>
    public (ReplicaProtocol State, IReadOnlyList<ReplicaEffect> Effects) Handle(ReplicaEvent happened) => happened switch
    {
        ReplicaEvent.PlanBegan e => Begin(e.Plan),
        ReplicaEvent.HaltAsked e => Halt(e.Generation),
        ReplicaEvent.AverageArrived e => Average(e),
        ReplicaEvent.StateArrived e => State(e),
        _ => throw new ProtocolException($"unknown event {happened}"),
    };

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Begin(Plan plan)
    {
        if (plan.Generation < Generation) return (this, []);
        if (!plan.Includes(Worker)) throw new ProtocolException($"generation {plan.Generation} has no part for {Worker}");
        if (plan.FirstRound != Applied)
            throw new ProtocolException($"generation {plan.Generation} starts at round {plan.FirstRound}, but this replica has applied {Applied} rounds");
        var next = this with { Generation = plan.Generation, Plan = plan };
        return (next, [new ReplicaEffect.Begin(plan), .. next.Start()]);
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Halt(int generation)
    {
        if (generation <= Generation) return (this, []);
        return (this with { Generation = generation, Plan = null },
            [new ReplicaEffect.Fence(generation), new ReplicaEffect.ReportHalted(generation, Applied)]);
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Average(ReplicaEvent.AverageArrived e)
    {
        if (Plan is null || e.Generation != Generation || e.Round != Applied) return (this, []);
        var next = this with { Applied = Applied + 1 };
        return (next, [new ReplicaEffect.Apply(Plan.RoundAt(Rounds, Applied)), .. next.Start()]);
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) State(ReplicaEvent.StateArrived e)
    {
        if (e.Generation != Generation || Plan is not null) return (this, []);
        return (this with { Applied = e.Applied },
            [new ReplicaEffect.Restore(), new ReplicaEffect.ReportSynced(Generation, e.Applied)]);
    }

    private IReadOnlyList<ReplicaEffect> Start()
    {
        if (Applied >= Plan!.EndRound) return [];
        var round = Plan.RoundAt(Rounds, Applied);
        return [new ReplicaEffect.Enter(round), new ReplicaEffect.Map(round, Plan.RangeOf(Worker, round.MicroBatches))];
    }
}

/// <summary>One end of the protocol asks for what cannot be; the message says what.</summary>
public sealed class ProtocolException(string message) : Exception(message);
