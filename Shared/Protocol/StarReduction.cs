using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Shared.Protocol;

/// <summary>What the reducer makes of a frame.</summary>
public enum FrameVerdict
{
    /// <summary>Belongs to the round in progress.</summary>
    Accept,
    /// <summary>Belongs to the past: an older generation, or a round that is done. Thrown away and counted.</summary>
    Stale,
    /// <summary>No correct worker sends it.</summary>
    Violation,
}

/// <summary>
/// The reducer of the topology `star`, without sockets or memory: which frames it takes, which sums it makes of them, and
/// when a slice or a round is complete. A round is a barrier: it completes when every worker of the plan has sent its part,
/// so no replica can be more than one round behind another.
/// </summary>
public sealed class StarReduction
{
    private readonly Rounds _rounds;
    private readonly VectorLayout _layout;
    private readonly Dictionary<string, HashSet<TreeNode>> _covers = new(StringComparer.Ordinal);
    private readonly HashSet<(TreeNode Node, int Slice)> _arrived = [];
    private readonly HashSet<string> _missing = new(StringComparer.Ordinal);
    private readonly List<int> _heldBack = [];
    private Reduce _reduce;
    private Plan? _plan;
    private int _completeSlices;

    /// <summary>A reducer that has completed no round and knows no plan.</summary>
    public StarReduction(Rounds rounds, VectorLayout layout)
    {
        (_rounds, _layout) = (rounds, layout);
        _reduce = new(1, layout.Slices);
    }

    /// <summary>The newest generation that it has heard of; frames of older ones are stale.</summary>
    public int Generation { get; private set; }

    /// <summary>Rounds completed in all: the number of the round in progress.</summary>
    public long Completed { get; private set; }

    /// <summary>First slice that the last completed round exchanged.</summary>
    public int LastFirstSlice => _layout.FirstSlice(_rounds.At(Completed - 1).Kind);

    /// <summary>Whether a worker has a part in the plan in force.</summary>
    public bool HasPart(string worker) => _plan?.Includes(worker) ?? false;

    /// <summary>The round in progress, where a plan covers one.</summary>
    public Round? Current => _plan is { } plan && Completed < plan.EndRound ? _rounds.At(Completed) : null;

    /// <summary>Stops the plan: whatever comes under an older generation is stale from now on.</summary>
    /// <returns>Rounds completed; this does not change before the next plan.</returns>
    public long Fence(int generation)
    {
        if (generation <= Generation) throw new InvalidOperationException($"generation {generation} after {Generation}");
        Generation = generation;
        _plan = null;
        return Completed;
    }

    /// <summary>Takes up a plan, which starts at the round in progress or takes it up anew.</summary>
    public void Begin(Plan plan)
    {
        if (plan.Generation != Generation || plan.FirstRound != Completed)
            throw new InvalidOperationException($"a plan of generation {plan.Generation} from round {plan.FirstRound} does not fit generation {Generation}, {Completed} rounds completed");
        _plan = plan;
        BeginRound();
    }

    /// <summary>Judges a frame that a worker sent.</summary>
    /// <param name="worker">Id of the worker at the other end of the link.</param>
    /// <param name="frame">Its header.</param>
    /// <param name="why">For a violation, what is wrong.</param>
    public FrameVerdict Judge(string worker, in FrameHeader frame, out string why)
    {
        why = "";
        if (frame.Generation < Generation) return FrameVerdict.Stale;
        if (_plan is null || Current is not { } round)
            return Violation($"a frame of generation {frame.Generation} while no plan is in force", out why);
        if (frame.Generation > Generation) return Violation($"generation {frame.Generation}, newest is {Generation}", out why);
        if (frame.Round < round.Number) return FrameVerdict.Stale;
        if (frame.Round > round.Number) return Violation($"round {frame.Round} while round {round.Number} is in progress", out why);
        if (!_covers.TryGetValue(worker, out var cover)) return Violation($"{worker} has no part in generation {Generation}", out why);
        if (frame.Kind == FrameKind.Present) return JudgePresent(worker, cover, frame, out why);
        if (frame.Kind != FrameKind.Contribution) return Violation($"a frame of kind {frame.Kind} in a round", out why);
        if (!cover.Contains(frame.Node)) return Violation($"{frame.Node} is not for {worker} to send", out why);
        if (frame.Slice < _layout.FirstSlice(round.Kind) || frame.Slice >= _layout.Slices)
            return Violation($"slice {frame.Slice} of {_layout.Slices} in a round of kind {round.Kind}", out why);
        if (frame.Length != _layout.BytesOf(frame.Slice).Length) return Violation($"slice {frame.Slice} with {frame.Length} bytes", out why);
        if (_arrived.Contains((frame.Node, frame.Slice))) return Violation($"slice {frame.Slice} of {frame.Node} twice", out why);
        return FrameVerdict.Accept;
    }

    /// <summary>Takes in an accepted frame.</summary>
    /// <param name="worker">Id of the worker that sent it.</param>
    /// <param name="frame">Its header; its payload lies where <paramref name="sums"/> finds it.</param>
    /// <param name="sums">Does the additions.</param>
    /// <param name="complete">Receives the slices whose sums are complete and may be sent.</param>
    /// <returns>Whether this completed the round.</returns>
    public bool Arrive<TSums>(string worker, in FrameHeader frame, TSums sums, ICollection<int> complete) where TSums : IContributionSums
    {
        var round = Current ?? throw new InvalidOperationException("no round is in progress");
        if (frame.Kind == FrameKind.Present)
        {
            _missing.Remove(worker);
        }
        else
        {
            _arrived.Add((frame.Node, frame.Slice));
            if (_reduce.Arrive(frame.Node, frame.Slice, sums) == new ReductionTree(round.MicroBatches).Root) _heldBack.Add(frame.Slice);
        }
        // A worker without micro-batches must have reached the round before it may receive the average of it.
        if (_missing.Count > 0) return false;
        foreach (var slice in _heldBack) complete.Add(slice);
        _completeSlices += _heldBack.Count;
        _heldBack.Clear();
        if (_completeSlices < _layout.Slices - _layout.FirstSlice(round.Kind)) return false;
        Completed++;
        BeginRound();
        return true;
    }

    private static FrameVerdict JudgePresent(string worker, HashSet<TreeNode> cover, in FrameHeader frame, out string why)
    {
        why = "";
        if (cover.Count > 0) return Violation($"{worker} has micro-batches to send", out why);
        return frame.Length == 0 ? FrameVerdict.Accept : Violation($"{frame.Kind} with {frame.Length} bytes", out why);
    }

    private void BeginRound()
    {
        _completeSlices = 0;
        _covers.Clear();
        _arrived.Clear();
        _missing.Clear();
        _heldBack.Clear();
        if (Current is not { } round) return;
        _reduce = new(round.MicroBatches, _layout.Slices);
        var tree = new ReductionTree(round.MicroBatches);
        foreach (var worker in _plan!.Workers)
        {
            _covers[worker] = [.. tree.Cover(_plan.RangeOf(worker, round.MicroBatches))];
            if (_covers[worker].Count == 0) _missing.Add(worker);
        }
    }

    private static FrameVerdict Violation(string what, out string why)
    {
        why = what;
        return FrameVerdict.Violation;
    }
}
