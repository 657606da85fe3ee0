using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>Hashes in the place of vectors: each tells what was added to what.</summary>
internal static class SimulatedVectors
{
    /// <summary>The slices of a vector: there is a hash for each.</summary>
    public static readonly VectorLayout Layout = new(2 * VectorLayout.SliceFloats + 1, 2);

    public static long Contribution(long state, Round round, int microBatch, int slice) => HashOf(state, round.Number, microBatch, slice);

    public static long Applied(long state, Round round, IEnumerable<long> average) =>
        round.Kind == RoundKind.Train ? average.Aggregate(HashOf(state, round.Number), (hash, sum) => HashOf(hash, sum)) : state;

    public static long HashOf(params ReadOnlySpan<long> parts)
    {
        var hash = 17L;
        foreach (var part in parts) hash = (long)Permutation.Mix(hash, part, 0);
        return hash;
    }

    /// <summary>The states of a plain loop without a cluster.</summary>
    public static long[] Reference(Rounds rounds, int workers)
    {
        var plan = new Plan(1, 0, rounds.Count, [.. Enumerable.Range(0, workers).Select(i => $"{i}")], Topology.Star);
        var states = new long[rounds.Count + 1];
        for (var number = 0; number < rounds.Count; number++)
        {
            var (round, state) = (plan.RoundAt(rounds, number), states[number]);
            var slices = Enumerable.Range(0, Layout.Slices).Skip(Layout.FirstSlice(round.Kind));
            states[number + 1] = Applied(state, round, slices.Select(slice => SumOf(new ReductionTree(round.MicroBatches).Root, slice)));

            long SumOf(TreeNode node, int slice)
            {
                if (node.Count == 1) return Contribution(state, round, node.First, slice);
                var (left, right) = ReductionTree.Children(node);
                return HashOf(SumOf(left, slice), SumOf(right, slice));
            }
        }
        return states;
    }
}

/// <summary>Sums by the first micro-batch of their part of the tree, and slice.</summary>
internal sealed class SimulatedSums
{
    public Dictionary<(int First, int Slice), long> Values { get; } = [];

    public void Add(Merge merge, int slice) =>
        Values[(merge.Into, slice)] = SimulatedVectors.HashOf(Values[(merge.Into, slice)], Values[(merge.From, slice)]);
}
