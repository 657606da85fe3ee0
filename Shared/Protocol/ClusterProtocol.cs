using System.Collections.Immutable;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Shared.Protocol;

/// <summary>
/// The protocol of the coordinator. Every change of the cluster is one mechanism, the reconfiguration: a new generation;
/// all workers stop and say how many rounds they have applied; those that lack the last round get its average again, those
/// that lack more get a peer's state; when all are at the same round, a new plan begins. Values in, values out; whoever
/// runs it moves messages.
/// </summary>
public sealed record ClusterProtocol
{
    /// <summary>What of the job decides its rounds.</summary>
    public required JobShape Job { get; init; }

    /// <summary>Workers that the first plan waits for, at least 1.</summary>
    public required int StartWith { get; init; }

    /// <summary>Workers that later plans need, at least 1.</summary>
    public required int MinWorkers { get; init; }

    /// <summary>Where the cluster stands.</summary>
    public ClusterPhase Phase { get; init; }

    /// <summary>Number of the newest generation; 0 before the first.</summary>
    public int Generation { get; init; }

    /// <summary>Rounds that the reducer has completed, as of the last fence.</summary>
    public long Completed { get; init; }

    /// <summary>The plan in force, or the last one.</summary>
    public Plan? Plan { get; init; }

    /// <summary>What the first prepared worker reported; the others must agree.</summary>
    public WorkerFacts? Facts { get; init; }

    /// <summary>The job's rounds, once the sizes of the data are known.</summary>
    public Rounds? Rounds { get; init; }

    /// <summary>The workers by id.</summary>
    public ImmutableSortedDictionary<string, Member> Members { get; init; } =
        ImmutableSortedDictionary.Create<string, Member>(StringComparer.Ordinal);

    /// <summary>Every generation and why it began.</summary>
    public ImmutableList<GenerationStart> Generations { get; init; } = [];

    /// <summary>The worker that was asked for the result.</summary>
    public string? Donor { get; init; }

    private bool IsOver => Phase is ClusterPhase.Finished or ClusterPhase.Failed;

    /// <summary>What follows from an event: the new state, and what to do, in order.</summary>
    public (ClusterProtocol State, ImmutableList<ClusterEffect> Effects) Handle(ClusterEvent happened) => happened switch
    {
        _ when IsOver => (this, []),
        ClusterEvent.Registered e => (With(new(e.Worker, MemberStatus.Preparing, 0, false)), []),
        ClusterEvent.Prepared e => Prepare(e.Worker, e.Facts),
        ClusterEvent.Lost e => Lose(e.Worker, e.Why),
        ClusterEvent.Leaving e => Leave(e.Worker, e.Why),
        ClusterEvent.Fenced e => e.Generation == Generation ? (this with { Completed = e.Completed }).Advance() : (this, []),
        ClusterEvent.Halted e => Report(e.Worker, e.Generation, e.Applied, MemberStatus.Ready),
        ClusterEvent.Synced e => Report(e.Worker, e.Generation, e.Applied, MemberStatus.Syncing),
        ClusterEvent.Reached e => Reach(e.Worker, e.Applied),
        ClusterEvent.Collected => Phase == ClusterPhase.Collecting
            ? (this with { Phase = ClusterPhase.Finished }, [new ClusterEffect.Finish()])
            : (this, []),
        _ => throw new ProtocolException($"unknown event {happened}"),
    };

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Prepare(string worker, WorkerFacts facts)
    {
        if (Members.GetValueOrDefault(worker)?.Status != MemberStatus.Preparing) return (this, []);
        if (Phase == ClusterPhase.Collecting) return Turn(worker, "the job is done");
        if (!facts.Layout.IsValid || facts.TrainSamples < 1 || facts.TestSamples < 0 || facts.StateBytes < 1 || facts.StateBytes > StateTransfer.MaxBytes)
            return Turn(worker, $"it reports impossible sizes: {facts}");
        if (Facts is { } known && Difference(known, facts) is { } difference) return Turn(worker, difference);
        if (Job.Batch > facts.TrainSamples)
            return Stop($"batch is {Job.Batch}, but the training set has {facts.TrainSamples} samples; allowed: 1 to {facts.TrainSamples}");

        var ready = With(new(worker, MemberStatus.Ready, 0, false));
        ImmutableList<ClusterEffect> effects = [];
        if (Facts is null)
        {
            ready = ready with { Facts = facts, Rounds = new(facts.TrainSamples, facts.TestSamples, Job.Epochs, Job.Batch, Job.MicroBatches) };
            effects = [new ClusterEffect.Open(facts, ready.Rounds)];
        }
        var (next, more) = Phase switch
        {
            ClusterPhase.Reconfiguring => (ready, [new ClusterEffect.Halt(worker, Generation)]),
            _ when ready.InPlay >= ready.Needed => ready.Reconfigure(Generation == 0 ? "start" : $"{worker} joined"),
            _ => (ready, []),
        };
        return (next, effects.AddRange(more));
    }

    private static string? Difference(WorkerFacts known, WorkerFacts facts) => true switch
    {
        _ when facts.DataFingerprint != known.DataFingerprint || facts.TrainSamples != known.TrainSamples || facts.TestSamples != known.TestSamples =>
            $"its data differs: {facts.TrainSamples} + {facts.TestSamples} samples with fingerprint {facts.DataFingerprint}; the job's is {known.TrainSamples} + {known.TestSamples} with {known.DataFingerprint}. Give it the same files",
        _ when facts.Layout != known.Layout || facts.StateBytes != known.StateBytes =>
            $"its model differs: {facts.Layout.Floats} numbers a contribution; the job's has {known.Layout.Floats}. Run the same version everywhere",
        _ when facts.InitialDigest != known.InitialDigest =>
            $"its initial parameters differ in their bits ({facts.InitialDigest}, the job's are {known.InitialDigest}). Run the same version on the same type of processor everywhere",
        _ => null,
    };

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Lose(string worker, string why)
    {
        if (!Members.TryGetValue(worker, out var lost)) return (this, []);
        var rest = this with { Members = Members.Remove(worker) };
        ImmutableList<ClusterEffect> effects = [new ClusterEffect.Announce($"{worker} is lost: {why}")];
        if (lost.Status == MemberStatus.Preparing) return (rest, effects);
        var (next, more) = Phase switch
        {
            ClusterPhase.Collecting when worker == Donor => rest.Finishing(),
            ClusterPhase.Training or ClusterPhase.Reconfiguring => rest.Reconfigure($"{worker} was lost"),
            _ => (rest, []),
        };
        return (next, effects.AddRange(more));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Leave(string worker, string why)
    {
        if (!Members.TryGetValue(worker, out var member) || member.Leaving) return (this, []);
        if (Phase == ClusterPhase.Gathering || member.Status == MemberStatus.Preparing)
            return (this with { Members = Members.Remove(worker) }, [new ClusterEffect.Dismiss(worker)]);
        var leaving = With(member with { Leaving = true });
        return Phase == ClusterPhase.Training ? leaving.Reconfigure($"{worker} leaves: {why}") : (leaving, []);
    }

    /// <summary>A new generation: everybody stops.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reconfigure(string reason)
    {
        var generation = Generation + 1;
        var next = this with
        {
            Phase = ClusterPhase.Reconfiguring,
            Generation = generation,
            Generations = Generations.Add(new(generation, reason)),
            Members = Members.SetItems(Members.Values.Where(IsInPlay).Select(m => KeyValuePair.Create(m.Id, m with { Status = MemberStatus.Ready }))),
        };
        return (next, [new ClusterEffect.Fence(generation), .. next.Members.Values.Where(IsInPlay).Select(m => new ClusterEffect.Halt(m.Id, generation))]);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Report(string worker, int generation, long applied, MemberStatus from)
    {
        if (generation != Generation || !Members.TryGetValue(worker, out var member) || member.Status != from) return (this, []);
        return With(member with { Status = MemberStatus.Halted, Applied = applied }).Advance();
    }

    /// <summary>When everybody has stopped: bring all to the same round, then begin.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Advance()
    {
        if (Phase != ClusterPhase.Reconfiguring) return (this, []);
        var present = Members.Values.Where(IsInPlay).ToList();
        if (present.Any(m => m.Status is MemberStatus.Ready or MemberStatus.Syncing)) return (this, []);
        if (present.Count == 0)
            return Completed == 0 ? (this with { Phase = ClusterPhase.Gathering }, []) : Stop("all workers are gone, and with them the parameters");
        var target = Math.Max(Completed, present.Max(m => m.Applied));
        var behind = present.Where(m => m.Applied < target && !m.Leaving).ToList();
        return behind.Count > 0 || present.TrueForAll(m => m.Applied < target) ? CatchUp(present, behind, target) : Begin(target);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) CatchUp(List<Member> present, List<Member> behind, long target)
    {
        var donor = present.Find(m => m.Applied == target);
        var next = this;
        ImmutableList<ClusterEffect> effects = [];
        // One that leaves may be the only one from whom the others can be brought up to date.
        foreach (var member in donor is null ? present : behind)
        {
            ClusterEffect? help = member.Applied == target - 1 && Completed == target ? new ClusterEffect.RepeatAverage(member.Id, Generation)
                : donor is not null ? new ClusterEffect.Transfer(donor.Id, member.Id, Generation)
                : null;
            if (help is null) continue;
            effects = effects.Add(help);
            next = next.With(member with { Status = MemberStatus.Syncing });
        }
        return effects.IsEmpty ? Stop($"no worker is left that holds the parameters of round {target}") : (next, effects);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Begin(long target)
    {
        var leaving = Members.Values.Where(m => m.Leaving && IsInPlay(m)).Select(m => m.Id).ToList();
        var stay = this with { Members = Members.RemoveRange(leaving) };
        ImmutableList<ClusterEffect> dismissals = [.. leaving.Select(id => new ClusterEffect.Dismiss(id))];
        var workers = stay.Members.Values.Where(IsInPlay).ToList();
        if (workers.Count == 0 && target > 0) return stay.Stop("all workers are gone, and with them the parameters");
        if (target == Rounds!.Count)
        {
            var (done, last) = stay.Finishing();
            return (done, dismissals.AddRange(last));
        }
        if (workers.Count < Needed)
            return (stay with { Phase = ClusterPhase.Gathering },
                dismissals.Add(new ClusterEffect.Announce($"{workers.Count} of at least {Needed} workers: waiting for more")));
        var plan = new Plan(Generation, target, Rounds.Count, [.. workers.Select(m => m.Id)]);
        return (stay with
        {
            Phase = ClusterPhase.Training,
            Plan = plan,
            Members = stay.Members.SetItems(workers.Select(m => KeyValuePair.Create(m.Id, m with { Status = MemberStatus.Active }))),
        }, dismissals.Add(new ClusterEffect.Begin(plan)));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reach(string worker, long applied)
    {
        if (Phase != ClusterPhase.Training || Members.GetValueOrDefault(worker) is not { Status: MemberStatus.Active } member) return (this, []);
        var next = With(member with { Applied = applied });
        return next.Members.Values.Where(IsInPlay).All(m => m.Applied == Plan!.EndRound) ? next.Finishing() : (next, []);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Finishing()
    {
        var donor = Members.Values.FirstOrDefault(m => m.Applied == Rounds!.Count);
        return donor is null
            ? Stop("all workers were lost before the result was safe")
            : (this with { Phase = ClusterPhase.Collecting, Donor = donor.Id }, [new ClusterEffect.Collect(donor.Id, Generation)]);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Turn(string worker, string reason) =>
        (this with { Members = Members.Remove(worker) }, [new ClusterEffect.Refuse(worker, reason)]);

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Stop(string reason) =>
        (this with { Phase = ClusterPhase.Failed }, [new ClusterEffect.Fail(reason)]);

    private int Needed => Generation == 0 ? Math.Max(StartWith, MinWorkers) : MinWorkers;

    private int InPlay => Members.Values.Count(IsInPlay);

    private static bool IsInPlay(Member member) => member.Status != MemberStatus.Preparing;

    private ClusterProtocol With(Member member) => this with { Members = Members.SetItem(member.Id, member) };
}
