using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>What a range of micro-batches is to the tree.</summary>
public static class MicroBatchRangeExtensions
{
    /// <summary>Whether all of the node's micro-batches lie in this range.</summary>
    public static bool Contains(this MicroBatchRange range, TreeNode node) => node.First >= range.First && node.End <= range.End;
}
