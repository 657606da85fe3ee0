using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>What a process makes of a frame.</summary>
public enum FrameVerdict
{
    /// <summary>Belongs to the round in progress.</summary>
    Accept,
    /// <summary>Belongs to the past: an older generation, or a round that is done. Thrown away and counted.</summary>
    Stale,
    /// <summary>Belongs to a round or plan that this process is about to learn of: stays in its pipe until it is due.</summary>
    Early,
    /// <summary>No correct peer sends it.</summary>
    Violation,
}

/// <summary>
/// The all-reduce of a round as one process sees it, without sockets or memory: which frames count, which additions follow
/// from them, which slices this process owes to the others, when its average is complete. A slice is reduced by its owner
/// (<see cref="Plan.OwnerOf"/>): a star is a plan whose coordinator owns all of them. A round is a barrier: no slice is
/// handed out before every worker of the plan has reached the round, so no replica is ever more than one round behind
/// another. Allocates nothing from the second round of a plan on.
/// </summary>
/// <param name="rounds">The job's rounds.</param>
/// <param name="layout">Layout of a contribution.</param>
/// <param name="isCoordinator">Whether this is the coordinator, which knows of every plan before any worker does: nothing
/// can come early there.</param>
/// <param name="isBfloat16">Whether floats travel as bfloat16.</param>
public sealed class RoundExchange(Rounds rounds, VectorLayout layout, bool isCoordinator, bool isBfloat16 = false)
{
    private readonly TreeReduction _reduction = new(layout.Slices);

    // Slices whose sums are complete, in the order in which they became so; those before _handedOut were handed out.
    private readonly int[] _summed = new int[layout.Slices];
    private int _summedSlices;
    private int _handedOut;

    // Slices of the average that have yet to come or to be handed out.
    private readonly bool[] _isAwaited = new bool[layout.Slices];
    private int _awaited;

    // Workers without micro-batches that have yet to say that they have reached the round.
    private bool[] _isAbsent = [];
    private int _absent;
    private int _self;

    /// <summary>The newest generation that it has heard of; frames of older ones are stale.</summary>
    public int Generation { get; private set; }

    /// <summary>The plan in force; null after a fence.</summary>
    public Plan? Plan { get; private set; }

    /// <summary>Number of the round that frames are taken for, or will be.</summary>
    public long Round { get; private set; }

    /// <summary>The round that frames are taken for, as the plan cuts it; null before the first and after the last one.</summary>
    public Round? Current { get; private set; }

    /// <summary>Whether every slice of the round's average has come, or was handed out here.</summary>
    public bool IsComplete => Current is not null && _awaited == 0;

    /// <summary>Whether the current round exchanges this slice and it is reduced here.</summary>
    public bool Owns(int slice) => Current is { } round && IsExchanged(slice, round) && Plan!.OwnerOf(slice) == _self;

    /// <summary>Stops the plan: whatever comes under an older generation is stale from now on.</summary>
    /// <exception cref="InvalidOperationException">The generation is not newer than the newest one.</exception>
    public void Fence(int generation)
    {
        if (generation <= Generation) throw new InvalidOperationException($"generation {generation} after {Generation}");
        (Generation, Plan, Current) = (generation, null, null);
    }

    /// <summary>Takes up a plan. <see cref="Enter"/> with its first round comes next; frames that come before are early.</summary>
    /// <param name="plan">The plan; a worker may hear of it without a fence before.</param>
    /// <param name="self">Index into its workers, or <see cref="Planning.Plan.Coordinator"/>.</param>
    /// <exception cref="InvalidOperationException">The plan is older than the newest generation, or <paramref name="self"/> has no
    /// part in it.</exception>
    public void Begin(Plan plan, int self)
    {
        if (plan.Generation < Generation) throw new InvalidOperationException($"a plan of generation {plan.Generation} after {Generation}");
        if (isCoordinator ? self != Plan.Coordinator : (uint)self >= (uint)plan.Workers.Length)
            throw new InvalidOperationException($"there is no {self} in a plan of {plan.Workers.Length} workers");
        (Generation, Plan, Current, Round, _self) = (plan.Generation, plan, null, plan.FirstRound, self);
        if (_isAbsent.Length < plan.Workers.Length) _isAbsent = new bool[plan.Workers.Length];
    }

    /// <summary>Takes frames of this round from now on, and starts with none. To have reached it is what it means to be
    /// present, so this process does not wait for itself.</summary>
    /// <param name="round">A round of the plan, or its end.</param>
    /// <exception cref="InvalidOperationException">No plan is in force that has the round.</exception>
    public void Enter(long round)
    {
        if (Plan is not { } plan || round < plan.FirstRound || round > plan.EndRound)
            throw new InvalidOperationException($"round {round} is not part of the plan of generation {Generation}");
        (Round, Current, _absent, _summedSlices, _handedOut, _awaited) = (round, null, 0, 0, 0, 0);
        if (round == plan.EndRound) return;

        var current = plan.RoundAt(rounds, round);
        Current = current;
        _reduction.Reset(current.MicroBatches);
        var first = layout.FirstSlice(current.Kind);
        _isAwaited.AsSpan(0, first).Clear();
        _isAwaited.AsSpan(first).Fill(true);
        _awaited = layout.Slices - first;
        var isOwner = false;
        for (var slice = first; slice < layout.Slices && !isOwner; slice++) isOwner = Owns(slice);
        for (var worker = 0; worker < plan.Workers.Length; worker++)
        {
            _isAbsent[worker] = isOwner && worker != _self && IsIdle(worker);
            if (_isAbsent[worker]) _absent++;
        }
    }

    /// <summary>Judges a frame of the all-reduce.</summary>
    /// <param name="sender">Index of the sender in the plan's workers, or <see cref="Planning.Plan.Coordinator"/>; any other number where it
    /// has no part in it.</param>
    /// <param name="frame">Its header.</param>
    /// <param name="why">For a violation, what is wrong.</param>
    public FrameVerdict Classify(int sender, in FrameHeader frame, out string why)
    {
        why = "";
        if (frame.Generation < Generation || (frame.Generation == Generation && frame.Round < Round)) return FrameVerdict.Stale;
        if (frame.Kind == FrameKind.Average) return ClassifyAverage(sender, frame, out why);
        // A worker may take up the last plan of its former coordinator when it has found this one.
        if (Plan is not { } plan) return isCoordinator ? FrameVerdict.Stale : FrameVerdict.Early;
        if (frame.Generation > Generation)
            return isCoordinator ? Violation($"generation {frame.Generation}, newest is {Generation}", out why) : FrameVerdict.Early;
        if ((uint)sender >= (uint)plan.Workers.Length) return Violation($"a frame of generation {Generation}, in which it has no part", out why);
        if (frame.Round >= plan.EndRound) return Violation($"round {frame.Round}, the plan ends before round {plan.EndRound}", out why);
        if (frame.Round > Round + 1 || (isCoordinator && frame.Round > Round))
            return Violation($"round {frame.Round} while round {Round} is in progress", out why);
        if (frame.Round > Round || Current is not { } round)
            return isCoordinator ? Violation($"round {frame.Round} before it has begun", out why) : FrameVerdict.Early;
        return frame.Kind switch
        {
            FrameKind.Present => ClassifyPresent(sender, frame, out why),
            FrameKind.Contribution => ClassifyContribution(sender, round, frame, out why),
            _ => Violation($"a frame of kind {frame.Kind} in a round", out why),
        };
    }

    /// <summary>Takes in an accepted contribution, or an own one.</summary>
    /// <param name="worker">Index of the worker that it comes from.</param>
    /// <param name="node">The node that is summed.</param>
    /// <param name="slice">The slice of it.</param>
    /// <param name="isRoot">Whether the last of the additions gives the sum of everything, or the node is that.</param>
    /// <returns>The additions that follow, in order; valid until the next call.</returns>
    /// <exception cref="InvalidOperationException">The worker does not owe this to this process now.</exception>
    public ReadOnlySpan<Merge> Arrive(int worker, TreeNode node, int slice, out bool isRoot)
    {
        if (!Owns(slice) || !IsFor(worker, node)) throw new InvalidOperationException($"slice {slice} of {node} from worker {worker} is not due");
        isRoot = _reduction.Arrive(node, slice).Count == Current!.Value.MicroBatches;
        if (isRoot) _summed[_summedSlices++] = slice;
        return _reduction.Merges;
    }

    /// <summary>Takes in that a worker without micro-batches has reached the round.</summary>
    public void ArrivePresent(int worker)
    {
        if (!_isAbsent[worker]) return;
        _isAbsent[worker] = false;
        _absent--;
    }

    /// <summary>Takes in a slice of the average that its owner has sent.</summary>
    /// <exception cref="InvalidOperationException">It is not awaited.</exception>
    public void ArriveAverage(int slice)
    {
        if (!_isAwaited[slice] || Owns(slice)) throw new InvalidOperationException($"slice {slice} of the average is not awaited");
        Settle(slice);
    }

    /// <summary>The next slice whose sum is complete: its average is due to every other worker of the plan.</summary>
    /// <param name="slice">Each owned slice of the round once.</param>
    /// <returns>Whether there is one; never before every worker of the plan has reached the round.</returns>
    public bool TryNextComplete(out int slice)
    {
        slice = 0;
        if (Current is null || _absent > 0 || _handedOut == _summedSlices) return false;
        slice = _summed[_handedOut++];
        Settle(slice);
        return true;
    }

    private void Settle(int slice)
    {
        _isAwaited[slice] = false;
        _awaited--;
    }

    private FrameVerdict ClassifyAverage(int sender, in FrameHeader frame, out string why)
    {
        why = "";
        // An average needs something from every worker, this one included: none comes before this worker has entered its round.
        if ((frame.Generation, frame.Round) != (Generation, Round) || Current is not { } round)
            return Violation($"the average of round {frame.Round}, generation {frame.Generation}; {(Generation, Round)} is expected", out why);
        if (!IsExchanged(frame.Slice, round) || !_isAwaited[frame.Slice])
            return Violation($"slice {frame.Slice} of the average, which is not awaited", out why);
        if (Plan!.OwnerOf(frame.Slice) is var owner && (owner != sender || owner == _self))
            return Violation($"slice {frame.Slice} of the average, which is not its own", out why);
        return frame.Length == layout.WireBytesOf(frame.Slice, isBfloat16)
            ? FrameVerdict.Accept
            : Violation($"slice {frame.Slice} with {frame.Length} bytes", out why);
    }

    private FrameVerdict ClassifyPresent(int worker, in FrameHeader frame, out string why)
    {
        why = "";
        if (!IsIdle(worker)) return Violation($"presence, but {Plan!.Workers[worker]} has micro-batches to send", out why);
        if (frame.Length != 0) return Violation($"{frame.Kind} with {frame.Length} bytes", out why);
        return _isAbsent[worker] ? FrameVerdict.Accept : Violation("presence to one that does not wait for it", out why);
    }

    private FrameVerdict ClassifyContribution(int worker, Round round, in FrameHeader frame, out string why)
    {
        why = "";
        if (!IsFor(worker, frame.Node)) return Violation($"{frame.Node}, which is not for {Plan!.Workers[worker]} to send", out why);
        if (!IsExchanged(frame.Slice, round)) return Violation($"slice {frame.Slice} of {layout.Slices} in a round of kind {round.Kind}", out why);
        if (!Owns(frame.Slice)) return Violation($"slice {frame.Slice}, which is not reduced here", out why);
        if (frame.Length != layout.WireBytesOf(frame.Slice, isBfloat16)) return Violation($"slice {frame.Slice} with {frame.Length} bytes", out why);
        return _reduction.HasArrived(frame.Node.First, frame.Slice) ? Violation($"slice {frame.Slice} of {frame.Node} twice", out why) : FrameVerdict.Accept;
    }

    private bool IsExchanged(int slice, Round round) => slice >= layout.FirstSlice(round.Kind) && slice < layout.Slices;

    private bool IsIdle(int worker) => Plan!.RangeOf(worker, Current!.Value.MicroBatches).Count == 0;

    private bool IsFor(int worker, TreeNode node) =>
        new ReductionTree(Current!.Value.MicroBatches).IsInCover(node, Plan!.RangeOf(worker, Current.Value.MicroBatches));

    private static FrameVerdict Violation(string what, out string why)
    {
        why = what;
        return FrameVerdict.Violation;
    }
}
