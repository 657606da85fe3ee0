using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>How a process handles a frame.</summary>
public enum FrameVerdict
{
    /// <summary>Belongs to the round in progress.</summary>
    Accept,
    /// <summary>Belongs to an older generation or an earlier round: dropped and counted.</summary>
    Stale,
    /// <summary>Belongs to a round or plan that this process has not begun yet: stays in its pipe until then.</summary>
    Early,
    /// <summary>Malformed, or not allowed now; no correct peer sends it.</summary>
    Violation,
}

/// <summary>
/// The all-reduce of a round at one process, without sockets or memory. Decides which frames are accepted, which additions follow, which
/// slices this process has to send, and when its average is complete. The owner of a slice reduces it (<see cref="Plan.OwnerOf"/>): a star
/// is a plan whose coordinator owns every slice. A round is a barrier: no owner sends an average before every worker of the plan has
/// reached the round, so no replica is ever more than one round behind another. Allocates nothing from the second round of a plan on.
/// </summary>
/// <param name="rounds">The job's rounds.</param>
/// <param name="layout">Layout of a contribution.</param>
/// <param name="isCoordinator">Whether this is the coordinator. It knows every plan before any worker, so no frame is early there.</param>
/// <param name="isBfloat16">Whether floats are sent as bfloat16.</param>
public sealed class RoundExchange(Rounds rounds, VectorLayout layout, bool isCoordinator, bool isBfloat16 = false)
{
    private readonly TreeReduction _reduction = new(layout.Slices);

    // Slices whose sums are complete, in order of completion; averages of those before _handedOut were sent.
    private readonly int[] _summed = new int[layout.Slices];
    private int _summedSlices;
    private int _handedOut;

    // Slices of the average that were neither received nor sent yet.
    private readonly bool[] _isAwaited = new bool[layout.Slices];
    private int _awaited;

    // Workers without micro-batches that have not reached the round yet.
    private bool[] _isAbsent = [];
    private int _absent;
    private int _self;

    /// <summary>The newest generation of a plan or fence; frames of older ones are stale.</summary>
    public int Generation { get; private set; }

    /// <summary>The plan in force; null after a fence.</summary>
    public Plan? Plan { get; private set; }

    /// <summary>Number of the round in progress, or of the next one.</summary>
    public long Round { get; private set; }

    /// <summary>The round in progress under the plan; null before the first round and after the last one.</summary>
    public Round? Current { get; private set; }

    /// <summary>Whether every slice of the round's average was received, or was reduced here and sent.</summary>
    public bool IsComplete => Current is not null && _awaited == 0;

    /// <summary>Whether the round in progress exchanges this slice and this process reduces it.</summary>
    /// <param name="slice">Any number.</param>
    public bool Owns(int slice) => Current is { } round && IsExchanged(slice, round) && Plan!.OwnerOf(slice) == _self;

    /// <summary>Ends the plan in force; frames of older generations are stale from now on.</summary>
    /// <param name="generation">Generation of the next plan.</param>
    /// <exception cref="InvalidOperationException">The generation is not newer than <see cref="Generation"/>.</exception>
    public void Fence(int generation)
    {
        if (generation <= Generation) throw new InvalidOperationException($"generation {generation} after {Generation}");
        (Generation, Plan, Current) = (generation, null, null);
    }

    /// <summary>Begins a plan. <see cref="Enter"/> with its first round must follow; frames received before that are early.</summary>
    /// <param name="plan">The plan, with or without a fence before.</param>
    /// <param name="self">Index of this process in the plan's workers, or <see cref="Planning.Plan.Coordinator"/>.</param>
    /// <exception cref="InvalidOperationException">The plan is older than <see cref="Generation"/> or does not include
    /// <paramref name="self"/>.</exception>
    public void Begin(Plan plan, int self)
    {
        if (plan.Generation < Generation) throw new InvalidOperationException($"a plan of generation {plan.Generation} after {Generation}");
        if (isCoordinator ? self != Plan.Coordinator : (uint)self >= (uint)plan.Workers.Length)
            throw new InvalidOperationException($"a plan of {plan.Workers.Length} workers has no worker {self}");
        (Generation, Plan, Current, Round, _self) = (plan.Generation, plan, null, plan.FirstRound, self);
        if (_isAbsent.Length < plan.Workers.Length) _isAbsent = new bool[plan.Workers.Length];
    }

    /// <summary>Begins a round. This process has reached it and does not wait for itself.</summary>
    /// <param name="round">A round of the plan, or <see cref="Plan.EndRound"/>.</param>
    /// <exception cref="InvalidOperationException">No plan is in force, or it does not include the round.</exception>
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

    /// <summary>Classifies a received frame of the all-reduce; changes nothing.</summary>
    /// <param name="sender">Index of the sender in the plan's workers, or <see cref="Planning.Plan.Coordinator"/>; any other number if the
    /// plan does not include it.</param>
    /// <param name="frame">The header.</param>
    /// <param name="why">What is wrong, for a violation; else empty.</param>
    public FrameVerdict Classify(int sender, in FrameHeader frame, out string why)
    {
        why = "";
        if (frame.Generation < Generation || (frame.Generation == Generation && frame.Round < Round)) return FrameVerdict.Stale;
        if (frame.Kind == FrameKind.Average) return ClassifyAverage(sender, frame, out why);
        // A worker that has just returned may still begin the last plan of its former coordinator.
        if (Plan is not { } plan) return isCoordinator ? FrameVerdict.Stale : FrameVerdict.Early;
        if (frame.Generation > Generation)
            return isCoordinator ? Violation($"generation {frame.Generation}, newest is {Generation}", out why) : FrameVerdict.Early;
        if ((uint)sender >= (uint)plan.Workers.Length)
            return Violation($"a frame of generation {Generation}, whose plan does not include it", out why);
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

    /// <summary>Registers a contribution that was accepted, or one of this process.</summary>
    /// <param name="worker">Index of the worker that has computed it.</param>
    /// <param name="node">The node whose sum it is.</param>
    /// <param name="slice">The slice.</param>
    /// <param name="isRoot">Whether the sum of the slice over all micro-batches is complete after the additions.</param>
    /// <returns>The additions that follow, in order; valid until the next call.</returns>
    /// <exception cref="InvalidOperationException">This process does not own the slice, or the worker does not send this node.</exception>
    public ReadOnlySpan<Merge> Arrive(int worker, TreeNode node, int slice, out bool isRoot)
    {
        if (!Owns(slice) || !IsFor(worker, node))
            throw new InvalidOperationException($"slice {slice} of {node} from worker {worker} is not awaited");
        isRoot = _reduction.Arrive(node, slice).Count == Current!.Value.MicroBatches;
        if (isRoot) _summed[_summedSlices++] = slice;
        return _reduction.Merges;
    }

    /// <summary>Registers that a worker without micro-batches has reached the round.</summary>
    /// <param name="worker">Index of the worker.</param>
    public void ArrivePresent(int worker)
    {
        if (!_isAbsent[worker]) return;
        _isAbsent[worker] = false;
        _absent--;
    }

    /// <summary>Registers a slice of the average that was accepted.</summary>
    /// <param name="slice">The slice.</param>
    /// <exception cref="InvalidOperationException">The slice is not awaited.</exception>
    public void ArriveAverage(int slice)
    {
        if (!_isAwaited[slice] || Owns(slice)) throw new InvalidOperationException($"slice {slice} of the average is not awaited");
        Settle(slice);
    }

    /// <summary>Returns the next slice whose average this process must send to every other worker of the plan.</summary>
    /// <param name="slice">Each owned slice of the round once.</param>
    /// <returns>False if no further sum is complete, or a worker of the plan has not reached the round.</returns>
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
        // An average needs every worker, this one included, so none can arrive before this worker has begun the round.
        if ((frame.Generation, frame.Round) != (Generation, Round) || Current is not { } round)
        {
            why = $"the average of round {frame.Round}, generation {frame.Generation}; {(Generation, Round)} is expected";
            return FrameVerdict.Violation;
        }
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
        return _isAbsent[worker] ? FrameVerdict.Accept : Violation("a presence that is not awaited", out why);
    }

    private FrameVerdict ClassifyContribution(int worker, Round round, in FrameHeader frame, out string why)
    {
        why = "";
        if (!IsFor(worker, frame.Node)) return Violation($"{frame.Node}, which is not for {Plan!.Workers[worker]} to send", out why);
        if (!IsExchanged(frame.Slice, round))
            return Violation($"slice {frame.Slice} of {layout.Slices} in a round of kind {round.Kind}", out why);
        if (!Owns(frame.Slice)) return Violation($"slice {frame.Slice}, which is not reduced here", out why);
        if (frame.Length != layout.WireBytesOf(frame.Slice, isBfloat16))
            return Violation($"slice {frame.Slice} with {frame.Length} bytes", out why);
        return _reduction.HasArrived(frame.Node.First, frame.Slice)
            ? Violation($"slice {frame.Slice} of {frame.Node} twice", out why)
            : FrameVerdict.Accept;
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
