namespace Distributed.Core.Reduction;

/// <summary>An addition along the tree: a right child is added to its left sibling.</summary>
/// <param name="Into">First micro-batch of the left child, whose place receives the sum.</param>
/// <param name="From">First micro-batch of the right child, which is free afterwards.</param>
public readonly record struct Merge(int Into, int From);

/// <summary>
/// The third move, reduce: decides which additions follow when a sum arrives; the caller adds. Two siblings are added as soon as both have
/// arrived, in any order, so the tree alone determines the order of the additions and with it the bits. The sum of a node is held in the
/// place of its first micro-batch. Lanes (the slices of a vector) are independent. Allocates nothing once it has seen the largest round.
/// </summary>
/// <param name="lanes">Number of lanes, at least 1.</param>
public sealed class TreeReduction(int lanes = 1)
{
    private const int AddedToTheLeft = -1;

    // A path from a leaf to the root has at most one addition per bit of the number of leaves.
    private readonly Merge[] _merges = new Merge[32];
    private int _mergeCount;
    private int _leaves;
    private ReductionTree _tree;

    // By first micro-batch and lane: micro-batches of the sum held there; 0 before it arrives.
    private int[] _held = [];

    /// <summary>The additions of the last <see cref="Follow"/> or <see cref="Arrive"/>, in order.</summary>
    public ReadOnlySpan<Merge> Merges => _merges.AsSpan(0, _mergeCount);

    /// <summary>Starts a round; nothing has arrived.</summary>
    /// <param name="leaves">Micro-batches of the round, at least 1.</param>
    public void Reset(int leaves)
    {
        (_leaves, _tree, _mergeCount) = (leaves, new(leaves), 0);
        var length = checked(leaves * lanes);
        if (_held.Length < length) _held = new int[length];
        else _held.AsSpan(0, length).Clear();
    }

    /// <summary>Number of micro-batches of the sum that is held at a place; 0 if the place is empty.</summary>
    /// <param name="first">First micro-batch of the sum.</param>
    /// <param name="lane">The lane.</param>
    public int Held(int first, int lane = 0) => Math.Max(0, _held[first * lanes + lane]);

    /// <summary>Whether a node that starts at this micro-batch has arrived, added to another one since or not.</summary>
    /// <param name="first">First micro-batch of the node.</param>
    /// <param name="lane">The lane.</param>
    public bool HasArrived(int first, int lane = 0) => _held[first * lanes + lane] != 0;

    /// <summary>Sets <see cref="Merges"/> to the additions that will follow from a node before it arrives.</summary>
    /// <param name="node">A node of the tree.</param>
    /// <param name="lane">The lane.</param>
    /// <returns>The node that will hold the sum: the root if the lane will be complete.</returns>
    /// <exception cref="ArgumentException">The tree has no such node.</exception>
    public TreeNode Follow(TreeNode node, int lane = 0)
    {
        _mergeCount = 0;
        while (node != _tree.Root)
        {
            var (left, right) = _tree.Pair(node);
            var sibling = left == node ? right : left;
            if (_held[sibling.First * lanes + lane] != sibling.Count) break;
            _merges[_mergeCount++] = new(left.First, right.First);
            node = new(left.First, left.Count + right.Count);
        }
        return node;
    }

    /// <summary>Registers a node and sets <see cref="Merges"/> to the additions to make.</summary>
    /// <param name="node">A node of the tree.</param>
    /// <param name="lane">The lane.</param>
    /// <returns>The node that holds the sum afterwards: the root if the lane is complete.</returns>
    /// <exception cref="ArgumentException">The tree has no such node.</exception>
    /// <exception cref="InvalidOperationException">The node has arrived before.</exception>
    public TreeNode Arrive(TreeNode node, int lane = 0)
    {
        if (!_tree.Has(node)) throw new ArgumentException($"{node} is not a node of a tree of {_leaves} micro-batches", nameof(node));
        if (HasArrived(node.First, lane)) throw new InvalidOperationException($"slice {lane} of {node} arrived twice");
        _held[node.First * lanes + lane] = node.Count;
        var sum = Follow(node, lane);
        foreach (var merge in Merges) _held[merge.From * lanes + lane] = AddedToTheLeft;
        _held[sum.First * lanes + lane] = sum.Count;
        return sum;
    }

    /// <summary>Removes the sum of a node, as if none of its micro-batches had arrived.</summary>
    /// <param name="node">A node whose sum is held.</param>
    /// <param name="lane">The lane.</param>
    public void Drop(TreeNode node, int lane = 0)
    {
        for (var first = node.First; first < node.End; first++) _held[first * lanes + lane] = 0;
    }
}
