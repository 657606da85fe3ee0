using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// The protocol of the coordinator. Every change of the cluster is one mechanism, the reconfiguration: a new generation begins; all workers
/// stop and report how many rounds they have applied; workers that lack rounds receive the state of one that does not; when all are at the
/// same round, a new plan begins. Values in, values out; the coordinator's actor moves messages.
/// </summary>
internal sealed partial record ClusterProtocol
{
    /// <summary>A worker is evicted when its link to the same peer breaks this often without a round being applied in between.</summary>
    public const int MaxBreaks = 3;

    /// <summary>How many of <see cref="Generations"/> are kept.</summary>
    public const int KeptGenerations = 100;

    /// <summary>What of the job decides its rounds.</summary>
    public required JobShape Job { get; init; }

    /// <summary>Workers that the first plan waits for, at least 1.</summary>
    public required int StartWith { get; init; }

    /// <summary>Workers that later plans need, at least 1.</summary>
    public required int MinWorkers { get; init; }

    /// <summary>Whether the workers reduce (mesh) or the coordinator does (star).</summary>
    public required Topology Topology { get; init; }

    /// <summary>Whether workers may still join when all are gone. Otherwise the job ends with its last worker.</summary>
    public bool IsOpen { get; init; }

    /// <summary>After a restart of the coordinator, the workers of its last plan that have not come back yet.</summary>
    public ImmutableHashSet<string> Returning { get; init; } = [];

    /// <summary>Micro-batches of a step that each worker should compute; empty for even shares.</summary>
    public ImmutableDictionary<string, int> Shares { get; init; } = ImmutableDictionary<string, int>.Empty;

    /// <summary>Steps that were reported as applied and had to be redone.</summary>
    public long StepsRedone { get; init; }

    /// <summary>The newest state that the coordinator has stored; null before the first.</summary>
    public StoredState? Stored { get; init; }

    /// <summary>Where the cluster stands.</summary>
    public ClusterPhase Phase { get; init; }

    /// <summary>Number of the newest generation; 0 before the first.</summary>
    public int Generation { get; init; }

    /// <summary>The most rounds that any worker, also a lost one, has reported as applied since the last plan that went back.</summary>
    public long Reached { get; init; }

    /// <summary>The plan in force, or the last one of this coordinator.</summary>
    public Plan? Plan { get; init; }

    /// <summary>Generation of the last plan, also of a coordinator before this one; 0 before the first.</summary>
    public int PlanGeneration { get; init; }

    /// <summary>What the first prepared worker reported; the others must agree.</summary>
    public WorkerFacts? Facts { get; init; }

    /// <summary>The job's rounds, once the sizes of the data are known.</summary>
    public Rounds? Rounds { get; init; }

    /// <summary>The workers by id.</summary>
    public ImmutableSortedDictionary<string, Member> Members { get; init; } =
        ImmutableSortedDictionary.Create<string, Member>(StringComparer.Ordinal);

    /// <summary>How many <see cref="Members"/> have not reported their rounds yet: counted, not searched, since each reports.</summary>
    public int Awaited { get; init; }

    /// <summary>Rounds that the workers in <see cref="MemberStatus.Syncing"/> will have applied.</summary>
    public long CatchingUpTo { get; init; }

    /// <summary>The newest generations and why they began; <see cref="Generation"/> says how many there were.</summary>
    public ImmutableList<GenerationStart> Generations { get; init; } = [];

    /// <summary>The worker that was asked for the result.</summary>
    public string? Donor { get; init; }

    /// <summary>How often the link between two workers, ordered by id, has broken since the last round that both took part in.</summary>
    public ImmutableDictionary<(string, string), int> BrokenLinks { get; init; } = ImmutableDictionary<(string, string), int>.Empty;

    private bool IsOver => Phase is ClusterPhase.Finished or ClusterPhase.Failed;

    /// <summary>The next state after an event, and what to do, in order. Once the job is over, an event changes nothing.</summary>
    public (ClusterProtocol State, ImmutableList<ClusterEffect> Effects) Handle(ClusterEvent happened) => happened switch
    {
        _ when IsOver => (this, []),
        ClusterEvent.Registered e => Register(e),
        ClusterEvent.Prepared e => Prepare(e.Worker, e.Facts, e.Holding),
        ClusterEvent.Halted e => Report(e.Worker, e.Generation, e.Applied, e.Digest, MemberStatus.Ready, e.Recorded),
        ClusterEvent.Synced e => Report(e.Worker, e.Generation, e.Applied, e.Digest, MemberStatus.Syncing),
        ClusterEvent.Reached e => Reach(e.Worker, e.Applied),
        ClusterEvent.ReportsMissing e => Evict(e.Worker, RefusalCause.ReportsMissing, e.Why),
        ClusterEvent.RecordsContradicted e => Stop(FailureCause.Records, e.Why),
        ClusterEvent.Lost e => Lose(e),
        ClusterEvent.PeerLost e => LosePeer(e),
        ClusterEvent.Leaving e => Leave(e.Worker, e.Why),
        ClusterEvent.Supply e => (this with { Supply = e }).Starve(e),
        ClusterEvent.Overdue e => Expire(e.Why),
        ClusterEvent.Unbalanced e => Rebalance(e),
        ClusterEvent.Stored e => (this with { Stored = e.State }, []),
        ClusterEvent.Damaged e => Skip(e),
        ClusterEvent.ReturnOver => Returning.IsEmpty ? (this, []) : (this with { Returning = [] }).Start(),
        ClusterEvent.Collected e => Collect(e.Shortfall),
        ClusterEvent.Saved when Phase == ClusterPhase.Saving => (this with { Phase = ClusterPhase.Finished }, [new ClusterEffect.Finish()]),
        ClusterEvent.Saved => (this, []),
        _ => throw new ProtocolException($"unknown event {happened}"),
    };

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Rebalance(ClusterEvent.Unbalanced e)
    {
        if (Phase != ClusterPhase.Training || !Job.IsExact) return (this, []);
        return (this with { Shares = e.Shares }).Reconfigure(GenerationCause.Balance, e.Why);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Skip(ClusterEvent.Damaged e)
    {
        if (e.Generation != Generation) return (this, []);
        var next = this with { Stored = e.Next };
        return Phase == ClusterPhase.Reconfiguring ? next.Reconfigure(GenerationCause.Checkpoint, e.Why) : (next, []);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Collect(string? shortfall)
    {
        if (Phase != ClusterPhase.Collecting) return (this, []);
        if (shortfall is not null) return Stop(FailureCause.Records, shortfall);
        return (this with { Phase = ClusterPhase.Saving }, [new ClusterEffect.Save()]);
    }

    /// <summary>A new generation: all workers stop.</summary>
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
        // With no worker left, no answer will come.
        return halts.IsEmpty ? next.Advance() : (next, halts);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Report(
        string worker, int generation, long applied, StateDigest digest, MemberStatus from, long recorded = long.MaxValue)
    {
        if (generation != Generation || !Members.TryGetValue(worker, out var member) || member.Status != from) return (this, []);
        // A state that was sent under an older generation may have arrived after the worker's last report.
        var (least, most) = from == MemberStatus.Syncing ? (CatchingUpTo, CatchingUpTo) : (member.Applied, Rounds!.Count);
        if (applied < least || applied > most)
            return Evict(worker, RefusalCause.ImpossibleReport, $"it reports {applied} applied rounds; possible are {least} to {most}");
        // A state that a former coordinator passed on may reach a worker after it has registered with this one.
        if (applied > recorded)
        {
            return Evict(worker, RefusalCause.Unreported,
                $"it holds {applied} rounds, but {recorded} of {Rounds!.Count} are reported, and it has no reports of the others: "
                + "the worker that had them is gone");
        }
        var reported = With(member with { Status = MemberStatus.Halted, Applied = applied, Digest = digest });
        return (reported with { Reached = Math.Max(Reached, applied) }).Advance();
    }

    /// <summary>When all workers have stopped: brings them to the same round, then begins.</summary>
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
        // A worker that leaves may be the only one with the newest parameters.
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
        if (FindMismatch(target) is { } mismatch) return Stop(FailureCause.Mismatch, mismatch);
        var heldBack = workers.Count == 0 && target > 0 ? Members.Values.First(m => m.Applied == target).Id : null;
        var leaving = Members.Values.Where(m => m.Leaving && m.Id != heldBack).Select(m => m.Id).ToList();
        var stay = this with { Members = Members.RemoveRange(leaving), IsLastHolderAnnounced = false };
        ImmutableList<ClusterEffect> dismissals = [.. leaving.Select(id => new ClusterEffect.Dismiss(id))];
        if (target == Rounds!.Count)
        {
            var (finishing, last) = stay.Finishing();
            return (finishing, dismissals.AddRange(last));
        }
        if (workers.Count < Needed && stay.Starvation is { } starvation) return stay.Stop(FailureCause.Starved, starvation);
        if (workers.Count < Needed)
            return (stay with { Phase = ClusterPhase.Gathering }, dismissals.Add(heldBack is null
                ? new ClusterEffect.Announce($"{workers.Count} of at least {Needed} workers: waiting for more")
                : new ClusterEffect.HoldBack(heldBack)));
        // Shares apply to the workers that they were measured with.
        var hasShares = Shares.Count == workers.Count && workers.TrueForAll(m => Shares.ContainsKey(m.Id));
        var plan = new Plan(Generation, target, Rounds.Count, [.. workers.Select(m => m.Id)], Topology)
        {
            Shares = hasShares ? [.. workers.Select(m => Shares[m.Id])] : [],
        };
        // The workers that had applied the last round, or all rounds, may be gone: the others redo it.
        var redone = Math.Max(0, Rounds.StepsBefore(Reached) - Rounds.StepsBefore(target));
        if (target < Reached - 1)
        {
            dismissals = dismissals.Add(new ClusterEffect.Announce(
                $"no worker holds the parameters of round {Reached} any more: going back to round {target}"));
        }
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

    /// <summary>All workers that have applied the same rounds must hold the same bits.</summary>
    private string? FindMismatch(long target)
    {
        var there = Members.Values.Where(m => IsInPlay(m) && m.Applied == target).ToList();
        // In an inexact job, rounds that were rolled back are redone with other bits than those of a checkpoint written meanwhile.
        if (Job.IsExact && Stored is { } stored && stored.Applied == target && there.Find(m => m.Digest != stored.Digest) is { } other)
            return Differ(other, "the checkpoint", stored.Digest);
        return there.Find(m => m.Digest != there[0].Digest) is { } odd ? Differ(odd, there[0].Id, there[0].Digest) : null;

        string Differ(Member member, string from, StateDigest digest) =>
            $"{member.Id}: after {target} rounds its parameters ({member.Digest}) differ from those of {from} ({digest})";
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Reach(string worker, long applied)
    {
        if (Phase != ClusterPhase.Training || !IsActive(worker)) return (this, []);
        var next = With(Members[worker] with { Applied = applied }) with { Reached = Math.Max(Reached, applied) };
        var isDone = applied == Plan!.EndRound && next.Members.Values.Where(IsInPlay).All(m => m.Applied == applied);
        return isDone ? next.Finishing() : (next, []);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Finishing()
    {
        if (Members.Values.FirstOrDefault(m => m.Applied == Rounds!.Count) is { } donor)
            return (this with { Phase = ClusterPhase.Collecting, Donor = donor.Id }, [new ClusterEffect.Collect(donor.Id, Generation)]);
        return IsOpen
            ? (this with { Phase = ClusterPhase.Gathering }).Abandoned()
            : Stop(FailureCause.AllLost, "all workers were lost before the result was safe");
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Stop(FailureCause cause, string reason) =>
        (this with { Phase = ClusterPhase.Failed }, [new ClusterEffect.Fail(cause, reason)]);

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
