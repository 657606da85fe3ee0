using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>What a reducer makes of a frame.</summary>
public enum FrameVerdict
{
    /// <summary>Belongs to the round in progress.</summary>
    Accept,
    /// <summary>Belongs to the past: an older generation, or a round that is done. Thrown away and counted.</summary>
    Stale,
    /// <summary>Belongs to a round or plan that this process is about to learn of: stays in its pipe until it is due.</summary>
    Early,
    /// <summary>No correct worker sends it.</summary>
    Violation,
}

/// <summary>
/// Whoever reduces slices, without sockets or memory: the coordinator of a star all of them, a worker of a mesh its own.
/// Which frames count, which sums are made of them, when a slice or the round is complete. A round is a barrier: no slice of
/// it is handed out before every worker of the plan has reached it, so no replica is ever more than one round behind another.
/// Allocates nothing from the second round of a plan on.
/// </summary>
/// <param name="rounds">The job's rounds.</param>
/// <param name="layout">Layout of a contribution.</param>
/// <param name="isCoordinator">Whether this is the coordinator, which knows of every plan before any worker does: nothing can
/// come early there.</param>
/// <param name="half">Whether floats travel as bfloat16.</param>
public sealed class SliceReduction(Rounds rounds, VectorLayout layout, bool isCoordinator, bool half = false)
{
    private readonly TreeReduction _reduction = new(layout.Slices);
    private readonly int[] _complete = new int[layout.Slices];
    private bool[] _isMissing = [];
    private int _missing;
    private int _self;
    private int _completeSlices;
    private int _handedOut;

    /// <summary>The newest generation that it has heard of; frames of older ones are stale.</summary>
    public int Generation { get; private set; }

    /// <summary>The plan in force; none after a fence.</summary>
    public Plan? Plan { get; private set; }

    /// <summary>Number of the round that contributions are taken for, or will be.</summary>
    public long Round { get; private set; }

    /// <summary>The round that contributions are taken for, as the plan cuts it; null before the first and after the last one.</summary>
    public Round? Current { get; private set; }

    /// <summary>Slices of the current round that are reduced here.</summary>
    public int OwnedSlices { get; private set; }

    /// <summary>Whether all of them were handed out.</summary>
    public bool IsComplete => _handedOut == OwnedSlices;

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
    /// <param name="self">Index into its workers, or <see cref="Core.Planning.Plan.Coordinator"/>.</param>
    /// <exception cref="InvalidOperationException">The plan is older than the newest generation, or <paramref name="self"/> has no
    /// part in it.</exception>
    public void Begin(Plan plan, int self)
    {
        if (plan.Generation < Generation) throw new InvalidOperationException($"a plan of generation {plan.Generation} after {Generation}");
        if (isCoordinator ? self != Plan.Coordinator : (uint)self >= (uint)plan.Workers.Length)
            throw new InvalidOperationException($"there is no {self} in a plan of {plan.Workers.Length} workers");
        (Generation, Plan, Current, Round, _self) = (plan.Generation, plan, null, plan.FirstRound, self);
        if (_isMissing.Length < plan.Workers.Length) _isMissing = new bool[plan.Workers.Length];
    }

    /// <summary>Takes contributions of this round from now on, and starts with none. To have reached it is what it means to be
    /// present, so nobody waits for this process.</summary>
    /// <param name="round">A round of the plan, or its end.</param>
    /// <exception cref="InvalidOperationException">No plan is in force that has the round.</exception>
    public void Enter(long round)
    {
        if (Plan is not { } plan || round < plan.FirstRound || round > plan.EndRound)
            throw new InvalidOperationException($"round {round} is none of the plan of generation {Generation}");
        (Round, Current, OwnedSlices, _missing, _completeSlices, _handedOut) = (round, null, 0, 0, 0, 0);
        if (round == plan.EndRound) return;

        var current = plan.RoundAt(rounds, round);
        Current = current;
        _reduction.Reset(current.MicroBatches);
        for (var slice = layout.FirstSlice(current.Kind); slice < layout.Slices; slice++)
            if (Owns(slice)) OwnedSlices++;
        for (var worker = 0; worker < plan.Workers.Length; worker++)
        {
            _isMissing[worker] = OwnedSlices > 0 && worker != _self && plan.RangeOf(worker, current.MicroBatches).Count == 0;
            if (_isMissing[worker]) _missing++;
        }
    }

    /// <summary>Judges a frame that a worker sent.</summary>
    /// <param name="worker">Index of the sender in the plan's workers; any other number where it has no part in it.</param>
    /// <param name="frame">Its header.</param>
    /// <param name="why">For a violation, what is wrong.</param>
    public FrameVerdict Judge(int worker, in FrameHeader frame, out string why)
    {
        why = "";
        if (frame.Generation < Generation) return FrameVerdict.Stale;
        if (Plan is not { } plan)
        {
            // A worker may take up the last plan of its former coordinator when it has found this one.
            return isCoordinator ? FrameVerdict.Stale : FrameVerdict.Early;
        }
        if (frame.Generation > Generation)
            return isCoordinator ? Violation($"generation {frame.Generation}, newest is {Generation}", out why) : FrameVerdict.Early;
        if (frame.Round < Round) return FrameVerdict.Stale;
        if ((uint)worker >= (uint)plan.Workers.Length) return Violation($"a frame of generation {Generation}, in which it has no part", out why);
        if (frame.Round >= plan.EndRound) return Violation($"round {frame.Round}, the plan ends before round {plan.EndRound}", out why);
        if (frame.Round > Round + 1 || (isCoordinator && frame.Round > Round))
            return Violation($"round {frame.Round} while round {Round} is in progress", out why);
        if (frame.Round > Round || Current is not { } round)
            return isCoordinator ? Violation($"round {frame.Round} before it has begun", out why) : FrameVerdict.Early;
        return frame.Kind switch
        {
            FrameKind.Present => JudgePresent(worker, frame, out why),
            FrameKind.Contribution => JudgeContribution(worker, round, frame, out why),
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
        if (isRoot) _complete[_completeSlices++] = slice;
        return _reduction.Merges;
    }

    /// <summary>Takes in that a worker without micro-batches has reached the round.</summary>
    public void ArrivePresent(int worker)
    {
        if (!_isMissing[worker]) return;
        _isMissing[worker] = false;
        _missing--;
    }

    /// <summary>The next slice whose sum is complete: it may be averaged and sent to every worker of the plan.</summary>
    /// <param name="slice">Each owned slice of the round once.</param>
    /// <returns>Whether there is one; never before every worker of the plan has reached the round.</returns>
    public bool TryNextComplete(out int slice)
    {
        slice = 0;
        if (Current is null || _missing > 0 || _handedOut == _completeSlices) return false;
        slice = _complete[_handedOut++];
        return true;
    }

    private FrameVerdict JudgePresent(int worker, in FrameHeader frame, out string why)
    {
        why = "";
        if (!IsIdle(worker)) return Violation($"presence, but {Plan!.Workers[worker]} has micro-batches to send", out why);
        if (frame.Length != 0) return Violation($"{frame.Kind} with {frame.Length} bytes", out why);
        return _isMissing[worker] ? FrameVerdict.Accept : Violation("presence to one that does not wait for it", out why);
    }

    private FrameVerdict JudgeContribution(int worker, Round round, in FrameHeader frame, out string why)
    {
        why = "";
        if (!IsFor(worker, frame.Node)) return Violation($"{frame.Node}, which is not for {Plan!.Workers[worker]} to send", out why);
        if (!IsExchanged(frame.Slice, round)) return Violation($"slice {frame.Slice} of {layout.Slices} in a round of kind {round.Kind}", out why);
        if (!Owns(frame.Slice)) return Violation($"slice {frame.Slice}, which is not reduced here", out why);
        if (frame.Length != layout.WireBytesOf(frame.Slice, half)) return Violation($"slice {frame.Slice} with {frame.Length} bytes", out why);
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
