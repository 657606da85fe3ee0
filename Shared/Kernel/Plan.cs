using System.Collections.Immutable;

namespace Distributed.Shared.Kernel;

/// <summary>
/// The first move: who computes what. A plan is a lease: it holds from its first round until a newer generation
/// supersedes it or its last round is done, and needs no message in between. It decides only where a micro-batch is
/// computed, never what it contains nor how it is summed, so the result does not depend on it.
/// </summary>
/// <param name="Generation">Counts the plans of a job, from 1; everything sent under an older one is refused.</param>
/// <param name="FirstRound">First round under this plan.</param>
/// <param name="EndRound">The round after the last one.</param>
/// <param name="Workers">Ids of the workers, in the order of their shares; not empty.</param>
public sealed record Plan(int Generation, long FirstRound, long EndRound, ImmutableArray<string> Workers)
{
    /// <summary>The contiguous micro-batches a worker computes in every round of so many.</summary>
    /// <param name="worker">Id of a worker of this plan.</param>
    /// <param name="microBatches">Micro-batches of the round, at least 1.</param>
    /// <returns>First micro-batch and count; a count of 0 where there are more workers than micro-batches.</returns>
    /// <exception cref="ArgumentException">The worker has no part in this plan.</exception>
    public MicroBatchRange RangeOf(string worker, int microBatches)
    {
        var index = Workers.IndexOf(worker, StringComparer.Ordinal);
        if (index < 0) throw new ArgumentException($"{worker} has no part in generation {Generation}", nameof(worker));
        var first = (int)((long)microBatches * index / Workers.Length);
        var end = (int)((long)microBatches * (index + 1) / Workers.Length);
        return new(first, end - first);
    }

    /// <summary>Whether the worker has a part in this plan.</summary>
    public bool Includes(string worker) => Workers.Contains(worker, StringComparer.Ordinal);
}

/// <summary>Contiguous micro-batches of a round.</summary>
/// <param name="First">Id of the first one.</param>
/// <param name="Count">How many; may be 0.</param>
public readonly record struct MicroBatchRange(int First, int Count)
{
    /// <summary>Id after the last one.</summary>
    public int End => First + Count;

    /// <summary>Whether all of the node's micro-batches lie in this range.</summary>
    public bool Contains(TreeNode node) => node.First >= First && node.End <= End;
}
