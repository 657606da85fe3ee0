using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests;

internal static class RoundWorkExtensions
{
    /// <summary>Takes in the contribution of the next micro-batch as one piece.</summary>
    /// <returns>The sum to send, if this completed one.</returns>
    public static TreeNode? Computed<TSums>(this RoundWork work, TSums sums) where TSums : IContributionSums
    {
        foreach (var merge in work.Merges) sums.Add(merge.Into, merge.From, 0);
        var complete = work.Completes;
        work.Advance();
        return complete;
    }
}
