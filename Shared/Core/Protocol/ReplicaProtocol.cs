using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>What happens to a replica, as its protocol sees it.</summary>
internal abstract record ReplicaEvent
{
    /// <summary>A plan has come, with where its workers' links are reached and the best first metric of any checkpoint so far.</summary>
    internal sealed record PlanBegan(Plan Plan, ImmutableArray<LinkEndpoint> Endpoints = default, double Best = double.NaN) : ReplicaEvent;
    /// <summary>The coordinator calls for a stop under a new generation.</summary>
    internal sealed record HaltAsked(int Generation) : ReplicaEvent;
    /// <summary>The average of the round in progress is applied to the replica.</summary>
    internal sealed record RoundApplied : ReplicaEvent;
    /// <summary>The state of a peer or a checkpoint has come: so many rounds are applied to it.</summary>
    internal sealed record StateArrived(int Generation, long Applied) : ReplicaEvent;
}

/// <summary>What a replica does, as its protocol decides.</summary>
internal abstract record ReplicaEffect
{
    /// <summary>Exchange nothing of older generations any more, and leave the step in progress where it is.</summary>
    internal sealed record Fence(int Generation) : ReplicaEffect;
    /// <summary>Connect to the workers of this plan.</summary>
    internal sealed record Begin(Plan Plan, ImmutableArray<LinkEndpoint> Endpoints, double Best) : ReplicaEffect;
    /// <summary>
    /// Run a round under this plan: compute these micro-batches, exchange their sums and apply the average. <paramref name="Next"/> is the
    /// first micro-batch that this worker computes after them, if the plan has one in the next round.
    /// </summary>
    internal sealed record Step(Plan Plan, Round Round, MicroBatchRange Range, (Round Round, int MicroBatch)? Next) : ReplicaEffect;
    /// <summary>Replace what this replica holds by the state that has arrived.</summary>
    internal sealed record Restore : ReplicaEffect;
    /// <summary>Tell the coordinator how many rounds this replica has applied, at a halt.</summary>
    internal sealed record ReportHalted(int Generation, long Applied) : ReplicaEffect;
    /// <summary>Tell the coordinator that this replica has caught up.</summary>
    internal sealed record ReportSynced(int Generation, long Applied) : ReplicaEffect;
}

/// <summary>
/// The protocol of a worker that trains: a replica that applies rounds in order, each exactly once, under the plan in force. Values in,
/// values out; <c>TrainingStep</c> computes, sends and applies.
/// </summary>
/// <param name="Worker">Id of this worker.</param>
/// <param name="Rounds">The job's rounds.</param>
/// <param name="Applied">Rounds applied: the number of the next one.</param>
/// <param name="Generation">The newest generation heard of.</param>
/// <param name="Plan">The plan in force; null between a halt and the next plan.</param>
internal sealed record ReplicaProtocol(string Worker, Rounds Rounds, long Applied = 0, int Generation = 0, Plan? Plan = null)
{
    /// <summary>The next state after an event, and what to do, in order.</summary>
    /// <exception cref="ProtocolException">The coordinator asks for something impossible.</exception>
    /// <exception cref="InvalidOperationException">A round is said to be applied although none is in progress.</exception>
    public (ReplicaProtocol State, IReadOnlyList<ReplicaEffect> Effects) Handle(ReplicaEvent happened) => happened switch
    {
        ReplicaEvent.PlanBegan e => Begin(e),
        ReplicaEvent.HaltAsked e => Halt(e.Generation),
        ReplicaEvent.RoundApplied => Apply(),
        ReplicaEvent.StateArrived e => Restore(e),
        _ => throw new ProtocolException($"unknown event {happened}"),
    };

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Begin(ReplicaEvent.PlanBegan e)
    {
        var plan = e.Plan;
        if (plan.Generation < Generation) return (this, []);
        if (!plan.Includes(Worker)) throw new ProtocolException($"generation {plan.Generation} has no part for {Worker}");
        if (plan.FirstRound != Applied)
        {
            throw new ProtocolException(
                $"generation {plan.Generation} starts at round {plan.FirstRound}, but this replica has applied {Applied} rounds");
        }
        var next = this with { Generation = plan.Generation, Plan = plan };
        return (next, [new ReplicaEffect.Begin(plan, e.Endpoints, e.Best), .. next.Start()]);
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Halt(int generation)
    {
        if (generation <= Generation) return (this, []);
        return (this with { Generation = generation, Plan = null },
            [new ReplicaEffect.Fence(generation), new ReplicaEffect.ReportHalted(generation, Applied)]);
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Apply()
    {
        if (Plan is null || Applied >= Plan.EndRound) throw new InvalidOperationException("no round is in progress");
        var next = this with { Applied = Applied + 1 };
        return (next, next.Start());
    }

    private (ReplicaProtocol, IReadOnlyList<ReplicaEffect>) Restore(ReplicaEvent.StateArrived e)
    {
        if (e.Generation != Generation || Plan is not null) return (this, []);
        return (this with { Applied = e.Applied }, [new ReplicaEffect.Restore(), new ReplicaEffect.ReportSynced(Generation, e.Applied)]);
    }

    private IReadOnlyList<ReplicaEffect> Start() => Applied < Plan!.EndRound
        ? [new ReplicaEffect.Step(Plan, RoundAt(Applied), RangeAt(Applied), FirstOf(Applied + 1))]
        : [];

    private Round RoundAt(long round) => Plan!.RoundAt(Rounds, round);

    private MicroBatchRange RangeAt(long round) => Plan!.RangeOf(Worker, RoundAt(round).MicroBatches);

    private (Round, int)? FirstOf(long round) =>
        round < Plan!.EndRound && RangeAt(round) is { Count: > 0 } range ? (RoundAt(round), range.First) : null;
}

/// <summary>One end of the protocol asks for something impossible; the message says what.</summary>
public sealed class ProtocolException(string message) : Exception(message);
