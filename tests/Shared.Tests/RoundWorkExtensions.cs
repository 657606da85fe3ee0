using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests;

internal static class RoundWorkExtensions
{
    /// <summary>Adds the contribution of the next micro-batch as a whole.</summary>
    /// <returns>The sum to send, if this completed one.</returns>
    public static TreeNode? Computed(this RoundWork work, Action<Merge> add)
    {
        foreach (var merge in work.Merges) add(merge);
        var complete = work.Completes;
        work.Advance();
        return complete;
    }

    /// <summary>The fewest nodes that cover exactly this range, in order, which a worker sends.</summary>
    public static List<TreeNode> Cover(this ReductionTree tree, MicroBatchRange range)
    {
        var cover = new List<TreeNode>();
        if (range.Count > 0) AddCover(tree.Root, range, cover);
        return cover;
    }

    private static void AddCover(TreeNode node, MicroBatchRange range, List<TreeNode> cover)
    {
        if (range.Contains(node))
        {
            cover.Add(node);
            return;
        }
        if (node.End <= range.First || node.First >= range.End) return;
        var (left, right) = ReductionTree.Children(node);
        AddCover(left, range, cover);
        AddCover(right, range, cover);
    }
}
