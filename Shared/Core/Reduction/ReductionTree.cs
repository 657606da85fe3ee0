using System.Numerics;
using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>A node of the reduction tree: the sum of contiguous micro-batches.</summary>
/// <param name="First">Id of the first micro-batch.</param>
/// <param name="Count">Number of micro-batches, at least 1 in a tree.</param>
public readonly record struct TreeNode(int First, int Count)
{
    /// <summary>Id after the last micro-batch.</summary>
    public int End => First + Count;
}

/// <summary>
/// The binary tree along which the contributions of micro-batches 0..M-1 are summed. It depends on M alone, and so does the rounding of the
/// sum. The left child of a node has the largest power of two of micro-batches that is smaller than the node.
/// </summary>
/// <param name="leaves">M, at least 1.</param>
public readonly struct ReductionTree(int leaves)
{
    /// <summary>The sum of all micro-batches.</summary>
    public TreeNode Root => new(0, leaves);

    /// <summary>The children of a node.</summary>
    /// <param name="node">A node of at least two micro-batches.</param>
    /// <exception cref="ArgumentOutOfRangeException">The node is a leaf.</exception>
    public static (TreeNode Left, TreeNode Right) Children(TreeNode node)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(node.Count, 2);
        var left = (int)(BitOperations.RoundUpToPowerOf2((uint)node.Count) / 2);
        return (new(node.First, left), new(node.First + left, node.Count - left));
    }

    /// <summary>Whether the node belongs to the tree.</summary>
    /// <param name="node">Any numbers.</param>
    public bool Has(TreeNode node) => Find(node, out _);

    /// <summary>A node and its sibling.</summary>
    /// <param name="node">Either of them.</param>
    /// <exception cref="ArgumentException">The tree has no such node, or it is the root.</exception>
    public (TreeNode Left, TreeNode Right) Pair(TreeNode node)
    {
        if (!Find(node, out var parent) || parent is null)
            throw new ArgumentException($"{node} is no child in a tree of {leaves} micro-batches", nameof(node));
        return Children(parent.Value);
    }

    /// <summary>Whether a worker that computes the range sends this node: it is one of the fewest nodes that together are the
    /// range.</summary>
    /// <param name="node">Any numbers.</param>
    /// <param name="range">The worker's micro-batches.</param>
    public bool IsInCover(TreeNode node, MicroBatchRange range) =>
        range.Contains(node) && Find(node, out var parent) && !(parent is { } larger && range.Contains(larger));

    private bool Find(TreeNode node, out TreeNode? parent)
    {
        parent = null;
        if (node.Count < 1 || node.First < 0 || node.Count > leaves || node.First > leaves - node.Count) return false;
        var at = Root;
        while (at != node)
        {
            if (at.Count == 1) return false;
            var (left, right) = Children(at);
            parent = at;
            at = node.First < right.First ? left : right;
            if (at.Count < node.Count) return false;
        }
        return true;
    }
}

/// <summary>Relates ranges of micro-batches to nodes of the tree.</summary>
public static class MicroBatchRangeExtensions
{
    /// <summary>Whether all micro-batches of the node lie in the range.</summary>
    /// <param name="range">The range.</param>
    /// <param name="node">The node.</param>
    public static bool Contains(this MicroBatchRange range, TreeNode node) => node.First >= range.First && node.End <= range.End;
}
