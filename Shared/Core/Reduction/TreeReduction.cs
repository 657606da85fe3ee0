namespace Distributed.Core.Reduction;

/// <summary>An addition along the tree: the sum that starts at one micro-batch is added to the one that starts at another.</summary>
/// <param name="Into">First micro-batch of the left child, in whose place the sum is put.</param>
/// <param name="From">First micro-batch of the right child, which is not needed afterwards.</param>
public readonly record struct Merge(int Into, int From);

/// <summary>
/// The third move, reduce: which additions follow when a sum arrives. A node is added to its sibling as soon as both are
/// there, in whatever order they come, so the tree alone decides the order of the additions and with it the bits. The sum
/// of a node lies in the place of its first micro-batch. Lanes (the slices of a vector) are reduced independently. Decides
/// only: the caller adds. Allocates nothing once it has seen the largest round.
/// </summary>
/// <param name="lanes">How many lanes, at least 1.</param>
public sealed class TreeReduction(int lanes = 1)
{
    private const int AddedToTheLeft = -1;

    // A path from a leaf to the root has at most one addition for each bit of the number of leaves.
    private readonly Merge[] _merges = new Merge[32];
    private int _mergeCount;
    private int _leaves;
    private ReductionTree _tree;

    // By first micro-batch and lane: how many the sum held there has; 0 where none has arrived.
    private int[] _held = [];

    /// <summary>The additions of the last <see cref="Follow"/> or <see cref="Arrive"/>, in order.</summary>
    public ReadOnlySpan<Merge> Merges => _merges.AsSpan(0, _mergeCount);

    /// <summary>Forgets all that has arrived and takes up a round.</summary>
    /// <param name="leaves">Micro-batches of the round, at least 1.</param>
    public void Reset(int leaves)
    {
        (_leaves, _tree, _mergeCount) = (leaves, new(leaves), 0);
        var length = checked(leaves * lanes);
        if (_held.Length < length) _held = new int[length];
        else _held.AsSpan(0, length).Clear();
    }

    /// <summary>Micro-batches of the sum that is held at this place; 0 where none is.</summary>
    public int Held(int first, int lane = 0) => Math.Max(0, _held[first * lanes + lane]);

    /// <summary>Whether a node that starts at this micro-batch has arrived, added to another or not.</summary>
    public bool HasArrived(int first, int lane = 0) => _held[first * lanes + lane] != 0;

    /// <summary>Finds the additions that follow once a node has arrived; it has not arrived yet.</summary>
    /// <returns>The node that holds the sum then: the root when the lane is complete.</returns>
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

    /// <summary>A node has arrived: its <see cref="Merges"/> are to be made.</summary>
    /// <returns>The node that holds the sum then: the root when the lane is complete.</returns>
    /// <exception cref="ArgumentException">The tree has no such node.</exception>
    /// <exception cref="InvalidOperationException">It has arrived before.</exception>
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

    /// <summary>Forgets the sum of a node, with all that was added to it.</summary>
    public void Drop(TreeNode node, int lane = 0)
    {
        for (var first = node.First; first < node.End; first++) _held[first * lanes + lane] = 0;
    }
}
