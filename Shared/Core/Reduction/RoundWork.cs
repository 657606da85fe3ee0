using System.Runtime.InteropServices;
using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>An addition along the tree: the vector that starts at one micro-batch is added to the one that starts at another.</summary>
/// <param name="Into">First micro-batch of the left child, in whose vector the sum is put.</param>
/// <param name="From">First micro-batch of the right child, whose vector is of no use afterwards.</param>
public readonly record struct Merge(int Into, int From);

/// <summary>
/// What a worker has to compute of a round and what it has already: keeps sums over a change of plan, so that only what
/// was lost elsewhere is computed again. What follows from a micro-batch is known before it is computed, so that each slice
/// of its contribution can be added, and sent, as soon as it is there. Allocates nothing once it has seen the largest round.
/// </summary>
public sealed class RoundWork
{
    private readonly List<TreeNode> _complete = [];
    // A path from a leaf to the root has at most one addition for each bit of the number of leaves.
    private readonly Merge[] _merges = new Merge[32];
    private int _mergeCount;
    private TreeNode _sum;
    // By first micro-batch: how many the sum held there has, 0 where there is none.
    private int[] _held = [];
    private MicroBatchRange _range;
    private int _next;

    /// <summary>Nothing computed of a round, and nothing to compute before <see cref="Assign"/>.</summary>
    public RoundWork(Round round) => Restart(round);

    /// <summary>The round.</summary>
    public Round Round { get; private set; }

    /// <summary>Whether everything of the range is computed.</summary>
    public bool IsDone => _next >= _range.End;

    /// <summary>The next micro-batch to compute.</summary>
    /// <exception cref="InvalidOperationException">All are computed.</exception>
    public int Next => IsDone ? throw new InvalidOperationException("nothing is left to compute") : _next;

    /// <summary>What will be <see cref="Next"/> after it, under this range; null where nothing is left then.</summary>
    public int? AfterNext => !IsDone && FirstMissing(_sum.End) is var after && after < _range.End ? after : null;

    /// <summary>The additions that follow from the contribution of <see cref="Next"/>, in order. Each holds for every slice by itself.</summary>
    public ReadOnlySpan<Merge> Merges => _merges.AsSpan(0, _mergeCount);

    /// <summary>The sum to send once the additions of <see cref="Merges"/> are made; null where it is part of a larger one to come.</summary>
    public TreeNode? Completes => !IsDone && IsOfCover(_sum) ? _sum : null;

    /// <summary>Forgets everything and begins with another round.</summary>
    public void Restart(Round round)
    {
        (Round, _range, _next, _mergeCount) = (round, default, 0, 0);
        if (_held.Length < round.MicroBatches) _held = new int[round.MicroBatches];
        else Array.Clear(_held);
    }

    /// <summary>Takes up a range.</summary>
    /// <param name="range">The micro-batches that this worker now has to send.</param>
    /// <param name="dropped">Receives the sums that are of no use under this range.</param>
    /// <returns>The sums held already that are to be sent as they are, in order; valid until the next call.</returns>
    public ReadOnlySpan<TreeNode> Assign(MicroBatchRange range, ICollection<TreeNode> dropped)
    {
        _range = range;
        _complete.Clear();
        for (var first = 0; first < Round.MicroBatches; first++)
        {
            if (_held[first] == 0) continue;
            var node = new TreeNode(first, _held[first]);
            if (!range.Contains(node))
            {
                dropped.Add(node);
                _held[first] = 0;
            }
            else if (IsOfCover(node)) _complete.Add(node);
        }
        GoTo(range.First);
        return CollectionsMarshal.AsSpan(_complete);
    }

    /// <summary>The contribution of <see cref="Next"/> is there and its additions are made: goes on to the next micro-batch that is missing.</summary>
    /// <exception cref="InvalidOperationException">All are computed.</exception>
    public void Advance()
    {
        if (IsDone) throw new InvalidOperationException("nothing is left to compute");
        foreach (var merge in Merges) _held[merge.From] = 0;
        _held[_sum.First] = _sum.Count;
        GoTo(_sum.End);
    }

    private void GoTo(int microBatch)
    {
        _next = FirstMissing(microBatch);
        _mergeCount = 0;
        if (!IsDone) FollowTree();
    }

    private int FirstMissing(int microBatch)
    {
        // A sum that is held covers nothing before its first micro-batch, and ends where the next missing one, or the next sum, begins.
        while (microBatch < _range.End && _held[microBatch] > 0) microBatch += _held[microBatch];
        return microBatch;
    }

    /// <summary>The same walk as <see cref="Reduce.Arrive"/>'s, before the contribution is there.</summary>
    private void FollowTree()
    {
        var tree = new ReductionTree(Round.MicroBatches);
        _sum = new(_next, 1);
        while (_sum != tree.Root)
        {
            var (left, right) = tree.Pair(_sum);
            var sibling = left == _sum ? right : left;
            if (_held[sibling.First] != sibling.Count) break;
            _merges[_mergeCount++] = new(left.First, right.First);
            _sum = new(left.First, left.Count + right.Count);
        }
    }

    /// <summary>Whether the node is one of those that together are exactly the range (<see cref="ReductionTree.Cover"/>), given that it lies inside.</summary>
    private bool IsOfCover(TreeNode node)
    {
        var tree = new ReductionTree(Round.MicroBatches);
        if (node == tree.Root) return true;
        var (left, right) = tree.Pair(node);
        return !_range.Contains(new(left.First, left.Count + right.Count));
    }
}
