namespace Distributed.Shared.Kernel;

/// <summary>
/// What a worker has to compute of a round and what it has already: keeps sums over a change of plan, so that only what
/// was lost elsewhere is computed again.
/// </summary>
/// <param name="round">The round.</param>
public sealed class RoundWork(Round round)
{
    private Reduce _reduce = new(round.MicroBatches, 1);
    private MicroBatchRange _range;
    private HashSet<TreeNode> _cover = [];
    private int _next;

    /// <summary>The round.</summary>
    public Round Round => round;

    /// <summary>Whether everything of the range is computed.</summary>
    public bool IsDone => _next >= _range.End;

    /// <summary>Takes up a range.</summary>
    /// <param name="range">The micro-batches that this worker now has to send.</param>
    /// <param name="dropped">Receives the sums that are of no use under this range.</param>
    /// <returns>The sums held already that are to be sent as they are.</returns>
    public IReadOnlyList<TreeNode> Assign(MicroBatchRange range, ICollection<TreeNode> dropped)
    {
        var before = _reduce;
        (_reduce, _range) = (new(round.MicroBatches, 1), range);
        _cover = [.. new ReductionTree(round.MicroBatches).Cover(range)];
        foreach (var node in before.Held(0))
        {
            // Held sums have no sibling beside them, so arriving anew adds nothing.
            if (range.Contains(node)) _reduce.Arrive(node, 0, default(NoSums));
            else dropped.Add(node);
        }
        _next = range.First;
        SkipHeld();
        return [.. _reduce.Held(0).Where(_cover.Contains)];
    }

    /// <summary>The next micro-batch to compute.</summary>
    /// <exception cref="InvalidOperationException">All are computed.</exception>
    public int Next => IsDone ? throw new InvalidOperationException("nothing is left to compute") : _next;

    /// <summary>Takes in the contribution of <see cref="Next"/> and adds what can be added.</summary>
    /// <returns>The sum to send, if this completed one.</returns>
    public TreeNode? Computed<TSums>(TSums sums) where TSums : IContributionSums
    {
        var node = _reduce.Arrive(new(Next, 1), 0, sums);
        _next++;
        SkipHeld();
        return _cover.Contains(node) ? node : null;
    }

    private void SkipHeld()
    {
        foreach (var node in _reduce.Held(0))
            if (node.First <= _next && _next < node.End) _next = node.End;
    }

    private readonly struct NoSums : IContributionSums
    {
        public void Add(int into, int from, int slice) => throw new InvalidOperationException("sums held apart have no sibling");
    }
}
