using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// The protocol of the coordinator. Every change of the cluster is one mechanism, the reconfiguration: a new generation;
/// all workers stop and say how many rounds they have applied; those that lack something get the state of one that does not;
/// when all are at the same round, a new plan begins. Values in, values out; whoever runs it moves messages.
/// </summary>
public sealed partial record ClusterProtocol
{
    /// <summary>A link that breaks so often while no round is applied costs one of its ends the place.</summary>
    public const int MaxBreaks = 3;

    /// <summary>How many of <see cref="Generations"/> are kept.</summary>
    public const int KeptGenerations = 100;

    /// <summary>What of the job decides its rounds.</summary>
    public required JobShape Job { get; init; }

    /// <summary>Workers that the first plan waits for, at least 1.</summary>
    public required int StartWith { get; init; }

    /// <summary>Workers that later plans need, at least 1.</summary>
    public required int MinWorkers { get; init; }

    /// <summary>Who reduces.</summary>
    public required Topology Topology { get; init; }

    /// <summary>Whether workers may still come when all are gone. Otherwise the end of the last one is the end of the job.</summary>
    public bool IsOpen { get; init; }

    /// <summary>After a restart of the coordinator, the workers of its last plan that have yet to come back.</summary>
    public ImmutableHashSet<string> Returning { get; init; } = [];

    /// <summary>Micro-batches of a step that each worker should compute; empty where all the same.</summary>
    public ImmutableDictionary<string, int> Shares { get; init; } = ImmutableDictionary<string, int>.Empty;

    /// <summary>Steps that were applied, as far as the coordinator had heard, and had to be done again.</summary>
    public long StepsRedone { get; init; }

    /// <summary>The newest state that the coordinator has stored; null where there is none.</summary>
    public StoredState? Stored { get; init; }

    /// <summary>Where the cluster stands.</summary>
    public ClusterPhase Phase { get; init; }

    /// <summary>Number of the newest generation; 0 before the first.</summary>
    public int Generation { get; init; }

    /// <summary>The most rounds that any worker has reported as applied, lost ones included, since the last plan that had to go back.</summary>
    public long Reached { get; init; }

    /// <summary>The plan in force, or the last one of this coordinator.</summary>
    public Plan? Plan { get; init; }

    /// <summary>Generation of the last plan, also of a coordinator before this one; 0 where there was none.</summary>
    public int PlanGeneration { get; init; }

    /// <summary>What the first prepared worker reported; the others must agree.</summary>
    public WorkerFacts? Facts { get; init; }

    /// <summary>The job's rounds, once the sizes of the data are known.</summary>
    public Rounds? Rounds { get; init; }

    /// <summary>The workers by id.</summary>
    public ImmutableSortedDictionary<string, Member> Members { get; init; } =
        ImmutableSortedDictionary.Create<string, Member>(StringComparer.Ordinal);

    /// <summary>How many of <see cref="Members"/> still have to say how far they are: counted rather than looked for, since each of them reports.</summary>
    public int Awaited { get; init; }

    /// <summary>Rounds that those who are sent what they lack will have applied.</summary>
    public long CatchingUpTo { get; init; }

    /// <summary>The newest generations and why they began; <see cref="Generation"/> says how many there were.</summary>
    public ImmutableList<GenerationStart> Generations { get; init; } = [];

    /// <summary>The worker that was asked for the result.</summary>
    public string? Donor { get; init; }

    /// <summary>How often the link between two workers, in the order of their ids, has broken since the last round that both took part in.</summary>
    public ImmutableDictionary<(string, string), int> BrokenLinks { get; init; } = ImmutableDictionary<(string, string), int>.Empty;

    private bool IsOver => Phase is ClusterPhase.Finished or ClusterPhase.Failed;

    /// <summary>What follows from an event: the new state, and what to do, in order.</summary>
    public (ClusterProtocol State, ImmutableList<ClusterEffect> Effects) Handle(ClusterEvent happened) => happened switch
    {
        _ when IsOver => (this, []),
        ClusterEvent.Registered e => (With(new(e.Worker, MemberStatus.Preparing, 0, Leaving: false)), []),
        ClusterEvent.Prepared e => Prepare(e.Worker, e.Facts, e.Holding),
        ClusterEvent.Overdue e => Expire(e.Why),
        ClusterEvent.Unbalanced e => Phase == ClusterPhase.Training && Job.IsExact ? (this with { Shares = e.Shares }).Reconfigure(GenerationCause.Balance, e.Why) : (this, []),
        ClusterEvent.Stored e => (this with { Stored = e.State }, []),
        ClusterEvent.Damaged e => Phase == ClusterPhase.Reconfiguring ? (this with { Stored = e.Next }).Reconfigure(GenerationCause.Checkpoint, e.Why) : (this with { Stored = e.Next }, []),
        ClusterEvent.ReturnOver => Returning.IsEmpty ? (this, []) : (this with { Returning = [] }).Start(),
        ClusterEvent.Lost e => Lose(e.Worker, e.Why),
        ClusterEvent.Supply e => (this with { Supply = e }).Starve(),
        ClusterEvent.Leaving e => Leave(e.Worker, e.Why),
        ClusterEvent.PeerLost e => LosePeer(e),
        ClusterEvent.Halted e => Report(e.Worker, e.Generation, e.Applied, e.Digest, MemberStatus.Ready),
        ClusterEvent.Synced e => Report(e.Worker, e.Generation, e.Applied, e.Digest, MemberStatus.Syncing),
        ClusterEvent.Reached e => Reach(e.Worker, e.Applied),
        ClusterEvent.Collected => Phase == ClusterPhase.Collecting ? (this with { Phase = ClusterPhase.Saving }, [new ClusterEffect.Save()]) : (this, []),
        ClusterEvent.Saved => Phase == ClusterPhase.Saving ? (this with { Phase = ClusterPhase.Finished }, [new ClusterEffect.Finish()]) : (this, []),
        _ => throw new ProtocolException($"unknown event {happened}"),
    };

    /// <summary>
    /// Whether what a worker holds can be gone on with: it is of the newest plan, or the bits do not depend on the plan. One that was not
    /// there when the newest plan began may hold rounds that were rolled back and done again, to other bits.
    /// </summary>
    public bool CanAdopt(Holding holding) =>
        holding.Generation is > 0 and <= Holding.MaxGeneration && holding.Applied >= 0 && (Job.IsExact || holding.Generation >= PlanGeneration);

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Prepare(string worker, WorkerFacts facts, Holding holding)
    {
        if (Members.GetValueOrDefault(worker)?.Status != MemberStatus.Preparing) return (this, []);
        if (Phase is ClusterPhase.Collecting or ClusterPhase.Saving) return Turn(worker, "the job is done");
        if (!facts.Layout.IsValid || facts.TrainSamples < 1 || facts.TestSamples < 0 || facts.StateBytes < 1 || facts.StateBytes > WorkerFacts.MaxStateBytes)
            return Turn(worker, $"it reports impossible sizes: {facts}");
        if (Topology == Topology.Mesh && !facts.Endpoint.IsValid)
            return Turn(worker, $"its links are at port {facts.LinkPort} of a host with a name of {facts.LinkHost.Length} characters; allowed: ports 1 to 65535, 1 to {LinkEndpoint.MaxHostLength} characters");
        if (Facts is { } known && Difference(known, facts) is { } difference) return Turn(worker, difference);
        if (Job.Batch > facts.TrainSamples)
            return Stop($"batch is {Job.Batch}, but the training set has {facts.TrainSamples} samples; allowed: 1 to {facts.TrainSamples}");

        if (holding.Generation != 0 && !CanAdopt(holding)) return Turn(worker, $"what it holds of generation {holding.Generation} is of another past than the job's", mayReturn: true);
        var ready = With(new(worker, MemberStatus.Ready, holding.Applied, Leaving: false, facts.Endpoint));
        ready = ready with { Returning = Returning.Remove(worker) };
        ImmutableList<ClusterEffect> effects = [];
        if (Facts is null)
        {
            ready = ready with { Facts = facts, Rounds = Job.RoundsOf(facts) };
            effects = [new ClusterEffect.Open(facts, ready.Rounds)];
        }
        if (holding.Applied > ready.Rounds!.Count) return Turn(worker, $"it holds {holding.Applied} rounds of a job of {ready.Rounds.Count}");
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

    /// <summary>Begins, if all are there that it waits for.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Start(string? joined = null) =>
        Phase == ClusterPhase.Gathering && Returning.IsEmpty
        // Whoever wants to leave and may not, because nobody else holds the parameters, has been waiting for this one.
        && (InPlay >= Needed || (InPlay > 1 && Members.Values.Any(m => m.Leaving)))
            ? Generation == 0 ? Reconfigure(GenerationCause.Start, "start")
                : Plan is null ? Reconfigure(GenerationCause.Coordinator, "the coordinator was started again")
                : Reconfigure(GenerationCause.Joined, $"{joined} joined")
            : (this, []);

    /// <summary>No end is in sight: whoever does not answer is out; if it is somebody's silence in the middle of a round, or the
    /// way of a state, asking all of them shows whose.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Expire(string why)
    {
        if (Phase == ClusterPhase.Collecting) return Expel(Donor!, $"the result did not come: {why}", mayReturn: true);
        if (Phase is ClusterPhase.Gathering or ClusterPhase.Saving) return (this, []);
        var silent = Members.Values.Where(m => m.Status == MemberStatus.Ready).Select(m => m.Id).ToList();
        if (silent.Count == 0) return Reconfigure(GenerationCause.Silence, why);
        if (AwaitsLastHolder && !IsLastHolderAnnounced)
            return (this with { IsLastHolderAnnounced = true }, [new ClusterEffect.Announce(
                $"{string.Join(", ", silent)} did not answer ({why}), but nobody else holds the newest parameters: waiting for another {ProgressWatch.LastHolderPatience.TotalSeconds:0} s")]);
        var (next, effects) = silent.Aggregate(this, (rest, worker) => rest.Without(worker)).Reconfigure(GenerationCause.Silence, $"{string.Join(", ", silent)} did not answer: {why}");
        return (next, effects.InsertRange(0, silent.Select(worker => new ClusterEffect.Refuse(worker, $"it did not answer: {why}", MayReturn: true))));
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
        var announcement = new ClusterEffect.Announce($"{worker} is lost: {why}", worker);
        return lost.Status == MemberStatus.Preparing
            ? (Without(worker), [announcement])
            : GoOnWithout(worker, GenerationCause.Lost, "was lost", announcement);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) GoOnWithout(string worker, GenerationCause cause, string what, ClusterEffect first)
    {
        var rest = Without(worker);
        var (next, effects) = Phase switch
        {
            ClusterPhase.Collecting when worker == Donor => rest.Finishing(),
            ClusterPhase.Training or ClusterPhase.Reconfiguring => rest.Reconfigure(cause, $"{worker} {what}"),
            ClusterPhase.Gathering when rest.InPlay == 0 && rest.Generation > 0 => rest.Abandoned(),
            _ => (rest, []),
        };
        return (next, effects.Insert(0, first));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) LosePeer(ClusterEvent.PeerLost e)
    {
        // Both ends report a link; the second report is of an older generation by then.
        if (Phase != ClusterPhase.Training || e.Generation != Generation || e.Worker == e.Peer || !IsActive(e.Worker) || !IsActive(e.Peer)) return (this, []);
        var before = BreaksAt(Members.Values.Max(m => m.Applied));
        var pair = string.CompareOrdinal(e.Worker, e.Peer) < 0 ? (e.Worker, e.Peer) : (e.Peer, e.Worker);
        var times = before.GetValueOrDefault(pair) + 1;
        var broken = this with { BrokenLinks = before.SetItem(pair, times) };
        return times < MaxBreaks
            ? broken.Reconfigure(GenerationCause.Link, $"the link between {e.Worker} and {e.Peer} broke: {e.Why}")
            // What lies between the two may be mended, and the one that is turned away may be the one that the others reach.
            : broken.Expel(e.Peer, $"{e.Worker} cannot reach it over its link: {e.Why}", mayReturn: true);
    }

    /// <summary>
    /// <see cref="BrokenLinks"/>, without those that a round went over under the last plan. Who was turned away for one and comes back
    /// is turned away at once when it breaks again.
    /// </summary>
    private ImmutableDictionary<(string, string), int> BreaksAt(long applied) => BrokenLinks.IsEmpty || Plan is not { } plan || applied <= plan.FirstRound
        ? BrokenLinks
        : BrokenLinks.RemoveRange(BrokenLinks.Keys.Where(pair => plan.Includes(pair.Item1) && plan.Includes(pair.Item2)));

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Expel(string worker, string reason, bool mayReturn = false) =>
        GoOnWithout(worker, GenerationCause.Refused, "was turned away", new ClusterEffect.Refuse(worker, reason, mayReturn));

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Leave(string worker, string why)
    {
        if (!Members.TryGetValue(worker, out var member)) return (this, []);
        if (member.Leaving) return (this, Phase == ClusterPhase.Gathering ? [new ClusterEffect.HoldBack(worker)] : []);
        var isNeeded = member.Applied > 0 && !Members.Values.Any(m => m.Id != worker && !m.Leaving && m.Applied >= member.Applied);
        if (member.Status == MemberStatus.Preparing || (Phase == ClusterPhase.Gathering && !isNeeded))
            return (Without(worker), [new ClusterEffect.Dismiss(worker)]);
        var leaving = With(member with { Leaving = true });
        return Phase switch
        {
            ClusterPhase.Training => leaving.Reconfigure(GenerationCause.Left, $"{worker} leaves: {why}"),
            ClusterPhase.Gathering when InPlay > 1 => leaving.Reconfigure(GenerationCause.Left, $"{worker} leaves: {why}"),
            ClusterPhase.Gathering => (leaving, [new ClusterEffect.HoldBack(worker)]),
            _ => (leaving, []),
        };
    }

    /// <summary>A new generation: everybody stops.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reconfigure(GenerationCause cause, string reason)
    {
        var generation = Generation + 1;
        var present = Members.Values.Where(IsInPlay).ToList();
        var next = this with
        {
            Phase = ClusterPhase.Reconfiguring,
            Generation = generation,
            Generations = (Generations.Count < KeptGenerations ? Generations : Generations.RemoveAt(0)).Add(new(generation, cause, reason)),
            Members = Members.SetItems(present.Select(m => KeyValuePair.Create(m.Id, m with { Status = MemberStatus.Ready }))),
            Awaited = present.Count,
        };
        ImmutableList<ClusterEffect> halts = [.. present.Select(m => new ClusterEffect.Halt(m.Id, generation))];
        // Where nobody is left, nobody will answer.
        return halts.IsEmpty ? next.Advance() : (next, halts);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Report(string worker, int generation, long applied, StateDigest digest, MemberStatus from)
    {
        if (generation != Generation || !Members.TryGetValue(worker, out var member) || member.Status != from) return (this, []);
        // What it was sent under an older generation it may have got, though that was not heard any more.
        var (least, most) = from == MemberStatus.Syncing ? (CatchingUpTo, CatchingUpTo) : (member.Applied, Rounds!.Count);
        if (applied < least || applied > most) return Expel(worker, $"it reports {applied} applied rounds; possible are {least} to {most}");
        var reported = With(member with { Status = MemberStatus.Halted, Applied = applied, Digest = digest });
        return (reported with { Reached = Math.Max(Reached, applied) }).Advance();
    }

    /// <summary>When everybody has stopped: bring all to the same round, then begin.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Advance()
    {
        if (Phase != ClusterPhase.Reconfiguring || Awaited > 0) return (this, []);
        var present = Members.Values.Where(IsInPlay).ToList();
        if (present.Count == 0) return (this with { Phase = ClusterPhase.Gathering, IsLastHolderAnnounced = false }).Abandoned();
        var target = Target;
        var behind = present.Where(m => m.Applied < target && !m.Leaving).ToList();
        return behind.Count > 0 || present.TrueForAll(m => m.Applied < target) ? CatchUp(present, behind, target) : Begin(target);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) CatchUp(List<Member> present, List<Member> behind, long target)
    {
        var donor = present.Find(m => m.Applied == target);
        var next = this with { CatchingUpTo = target };
        ImmutableList<ClusterEffect> effects = [];
        // One that leaves may be the only one from whom the others can be brought up to date.
        foreach (var member in donor is null ? present : behind)
        {
            ClusterEffect? help = donor is not null ? new ClusterEffect.Transfer(donor.Id, member.Id, Generation)
                : Stored is { } stored && stored.Applied == target ? new ClusterEffect.Load(member.Id, Generation, stored)
                : null;
            if (help is null) continue;
            effects = effects.Add(help);
            next = next.With(member with { Status = MemberStatus.Syncing });
        }
        return (next, effects);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Begin(long target)
    {
        var workers = Members.Values.Where(m => IsInPlay(m) && !m.Leaving).ToList();
        if (Odd(target) is { } odd) return Stop(odd, isMismatch: true);
        var heldBack = workers.Count == 0 && target > 0 ? Members.Values.First(m => m.Applied == target).Id : null;
        var leaving = Members.Values.Where(m => m.Leaving && m.Id != heldBack).Select(m => m.Id).ToList();
        var stay = this with { Members = Members.RemoveRange(leaving), IsLastHolderAnnounced = false };
        ImmutableList<ClusterEffect> dismissals = [.. leaving.Select(id => new ClusterEffect.Dismiss(id))];
        if (target == Rounds!.Count)
        {
            var (finishing, last) = stay.Finishing();
            return (finishing, dismissals.AddRange(last));
        }
        if (workers.Count < Needed && stay.Starvation is { } starvation) return stay.Stop(starvation);
        if (workers.Count < Needed)
            return (stay with { Phase = ClusterPhase.Gathering }, dismissals.Add(heldBack is null
                ? new ClusterEffect.Announce($"{workers.Count} of at least {Needed} workers: waiting for more")
                : new ClusterEffect.HoldBack(heldBack)));
        var plan = new Plan(Generation, target, Rounds.Count, [.. workers.Select(m => m.Id)], Topology)
        {
            // Shares are of the workers that they were measured with.
            Shares = Shares.Count == workers.Count && workers.TrueForAll(m => Shares.ContainsKey(m.Id)) ? [.. workers.Select(m => Shares[m.Id])] : [],
        };
        // Of the last round, or of all there were, those who had applied it may all be gone: others do it again.
        var redone = Math.Max(0, Rounds.StepsBefore(Reached) - Rounds.StepsBefore(target));
        if (target < Reached - 1) dismissals = dismissals.Add(new ClusterEffect.Announce($"nobody is left who holds the parameters of round {Reached}: going back to round {target}"));
        return (stay with
        {
            Phase = ClusterPhase.Training,
            Plan = plan,
            PlanGeneration = plan.Generation,
            BrokenLinks = BreaksAt(target),
            Reached = target,
            StepsRedone = StepsRedone + redone,
            Members = stay.Members.SetItems(workers.Select(m => KeyValuePair.Create(m.Id, m with { Status = MemberStatus.Active }))),
        }, dismissals.Add(new ClusterEffect.Begin(plan, Topology == Topology.Star ? [] : [.. workers.Select(m => m.Endpoint)])));
    }

    /// <summary>All who have applied the same rounds hold the same bits, also whoever was just sent them.</summary>
    private string? Odd(long target)
    {
        var there = Members.Values.Where(m => IsInPlay(m) && m.Applied == target).ToList();
        // In an inexact job, rounds that were rolled back are done again to other bits than those of a checkpoint that was being written meanwhile.
        if (Job.IsExact && Stored is { } stored && stored.Applied == target && there.Find(m => m.Digest != stored.Digest) is { } other)
            return $"{other.Id}: after {target} rounds its parameters ({other.Digest}) differ from those of the checkpoint ({stored.Digest})";
        return there.Find(m => m.Digest != there[0].Digest) is { } odd
            ? $"{odd.Id}: after {target} rounds its parameters ({odd.Digest}) differ from those of {there[0].Id} ({there[0].Digest})"
            : null;
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reach(string worker, long applied)
    {
        if (Phase != ClusterPhase.Training || Members.GetValueOrDefault(worker) is not { Status: MemberStatus.Active } member) return (this, []);
        var next = With(member with { Applied = applied }) with { Reached = Math.Max(Reached, applied) };
        return applied == Plan!.EndRound && next.Members.Values.Where(IsInPlay).All(m => m.Applied == applied) ? next.Finishing() : (next, []);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Finishing()
    {
        var donor = Members.Values.FirstOrDefault(m => m.Applied == Rounds!.Count);
        return donor is null
            ? IsOpen ? (this with { Phase = ClusterPhase.Gathering }).Abandoned() : Stop("all workers were lost before the result was safe")
            : (this with { Phase = ClusterPhase.Collecting, Donor = donor.Id }, [new ClusterEffect.Collect(donor.Id, Generation)]);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Turn(string worker, string reason, bool mayReturn = false) =>
        (Without(worker), [new ClusterEffect.Refuse(worker, reason, mayReturn)]);

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Stop(string reason, bool isMismatch = false) =>
        (this with { Phase = ClusterPhase.Failed }, [new ClusterEffect.Fail(reason, isMismatch)]);

    private int Needed => Generation == 0 ? Math.Max(StartWith, MinWorkers) : MinWorkers;

    /// <summary>Rounds that all have to have applied before the next plan begins.</summary>
    private long Target => Math.Max(Members.Values.Where(IsInPlay).Max(m => m.Applied), Stored?.Applied ?? 0);

    private bool IsActive(string worker) => Members.GetValueOrDefault(worker)?.Status == MemberStatus.Active;

    private int InPlay => Members.Values.Count(IsInPlay);

    private static bool IsInPlay(Member member) => member.Status != MemberStatus.Preparing;

    private static bool IsAwaited(Member? member) => member?.Status is MemberStatus.Ready or MemberStatus.Syncing;

    private ClusterProtocol With(Member member) => this with
    {
        Members = Members.SetItem(member.Id, member),
        Awaited = Awaited + (IsAwaited(member) ? 1 : 0) - (IsAwaited(Members.GetValueOrDefault(member.Id)) ? 1 : 0),
    };

    private ClusterProtocol Without(string worker) => this with
    {
        Members = Members.Remove(worker),
        Awaited = Awaited - (IsAwaited(Members.GetValueOrDefault(worker)) ? 1 : 0),
    };
}
