using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>Which workers may take part, and when the first plan of this coordinator begins.</summary>
internal sealed partial record ClusterProtocol
{
    /// <summary>
    /// Whether the job can go on from what a worker holds: it is of the newest plan, or the bits do not depend on the plan. A worker that
    /// was absent when the newest plan began may hold rounds that were rolled back and redone with other bits.
    /// </summary>
    public bool CanAdopt(Holding holding) =>
        holding.Generation is > 0 and <= Holding.MaxGeneration && holding.Applied >= 0
        && (Job.IsExact || holding.Generation >= PlanGeneration);

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Register(ClusterEvent.Registered e)
    {
        // Rounds whose reports neither this coordinator nor the worker has are redone.
        var isAdopted = e.HadPart && CanAdopt(e.Holding) && e.ReportsFrom <= e.Recorded;
        return (With(new(e.Worker, MemberStatus.Preparing, 0, Leaving: false)), [new ClusterEffect.Welcome(e.Worker, isAdopted)]);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Prepare(string worker, WorkerFacts facts, Holding holding)
    {
        if (Members.GetValueOrDefault(worker)?.Status != MemberStatus.Preparing) return (this, []);
        if (Phase is ClusterPhase.Collecting or ClusterPhase.Saving) return Reject(worker, RefusalCause.JobDone, "the job is done");
        if (ImpossibleSize(facts)) return Reject(worker, RefusalCause.ImpossibleSizes, $"it reports impossible sizes: {facts}");
        if (Topology == Topology.Mesh && !facts.Endpoint.IsValid)
        {
            return Reject(worker, RefusalCause.ImpossibleEndpoint,
                $"its links are at port {facts.LinkPort} of a host with a name of {facts.LinkHost.Length} characters; "
                + $"allowed: ports 1 to 65535, 1 to {LinkEndpoint.MaxHostLength} characters");
        }
        if (Facts is { } known && Difference(known, facts) is var (cause, difference)) return Reject(worker, cause, difference);
        if (Job.Batch > facts.TrainSamples)
        {
            return Stop(FailureCause.BatchTooLarge,
                $"batch is {Job.Batch}, but the training set has {facts.TrainSamples} samples; allowed: 1 to {facts.TrainSamples}");
        }
        if (holding.Generation != 0 && !CanAdopt(holding))
            return Reject(worker, RefusalCause.RolledBack, $"the rounds that it holds of generation {holding.Generation} were rolled back");
        var ready = With(new(worker, MemberStatus.Ready, holding.Applied, Leaving: false, facts.Endpoint));
        ready = ready with { Returning = Returning.Remove(worker) };
        ImmutableList<ClusterEffect> effects = [];
        if (Facts is null)
        {
            ready = ready with { Facts = facts, Rounds = Job.RoundsOf(facts) };
            effects = [new ClusterEffect.Open(facts, ready.Rounds)];
        }
        if (holding.Applied > ready.Rounds!.Count)
            return Reject(worker, RefusalCause.TooManyRounds, $"it holds {holding.Applied} rounds of a job of {ready.Rounds.Count}");
        var isAhead = holding.Generation > Generation;
        if (isAhead) ready = ready with { Generation = holding.Generation };
        var (next, more) = Phase switch
        {
            ClusterPhase.Reconfiguring when !isAhead => (ready, [new ClusterEffect.Halt(worker, Generation)]),
            ClusterPhase.Gathering => ready.Start(worker),
            _ => ready.Reconfigure(GenerationCause.Joined, $"{worker} joined"),
        };
        return (next, effects.AddRange(more));
    }

    /// <summary>Begins, if all workers are there that the cluster waits for.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Start(string? joined = null)
    {
        // A worker that wants to leave and is held back, since it alone holds the parameters, has been waiting for this one.
        var isEnough = InPlay >= Needed || (InPlay > 1 && Members.Values.Any(m => m.Leaving));
        if (Phase != ClusterPhase.Gathering || !Returning.IsEmpty || !isEnough) return (this, []);
        return Generation == 0 ? Reconfigure(GenerationCause.Start, "start")
            : Plan is null ? Reconfigure(GenerationCause.Coordinator, "the coordinator was started again")
            : Reconfigure(GenerationCause.Joined, $"{joined} joined");
    }

    private static bool ImpossibleSize(WorkerFacts facts) =>
        !facts.Layout.IsValid || facts.TrainSamples < 1 || facts.TestSamples < 0 || facts.StateBytes < 1
        || facts.StateBytes > WorkerFacts.MaxStateBytes;

    private static (RefusalCause Cause, string Text)? Difference(WorkerFacts known, WorkerFacts facts)
    {
        var sizes = (known.DataFingerprint, known.TrainSamples, known.TestSamples);
        if ((facts.DataFingerprint, facts.TrainSamples, facts.TestSamples) != sizes)
        {
            return (RefusalCause.DataDiffers,
                $"its data differs: {facts.TrainSamples} + {facts.TestSamples} samples with fingerprint {facts.DataFingerprint}; "
                + $"the job's is {known.TrainSamples} + {known.TestSamples} with {known.DataFingerprint}. Give it the same files");
        }
        if (facts.Layout != known.Layout || facts.StateBytes != known.StateBytes)
        {
            return (RefusalCause.ModelDiffers,
                $"its model differs: {facts.Layout.Floats} numbers a contribution; the job's has {known.Layout.Floats}. "
                + "Run the same version everywhere");
        }
        if (facts.InitialDigest != known.InitialDigest)
        {
            return (RefusalCause.InitialDiffers,
                $"its initial parameters differ in their bits ({facts.InitialDigest}, the job's are {known.InitialDigest}). "
                + "Run the same version on the same type of processor everywhere");
        }
        return null;
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reject(string worker, RefusalCause cause, string reason) =>
        (Without(worker), [new ClusterEffect.Refuse(worker, cause, reason)]);
}
