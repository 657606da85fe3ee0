using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

/// <summary>
/// Contributions that depend on a seed, and their sums by plain recursion over the tree. The magnitudes vary so much that another order of
/// additions gives other bits.
/// </summary>
internal sealed class TreeSums(int seed, VectorLayout layout, Round round)
{
    private readonly Dictionary<TreeNode, (float[] Floats, double[] Tallies)> _sums = [];

    /// <summary>The sum of a node; must not be changed.</summary>
    public (float[] Floats, double[] Tallies) Of(TreeNode node)
    {
        if (_sums.TryGetValue(node, out var known)) return known;
        if (node.Count == 1) return _sums[node] = Contribution(node.First);
        var (left, right) = ReductionTree.Children(node);
        return _sums[node] = Add(Of(left), Of(right));
    }

    /// <summary>The sum of all micro-batches if these nodes were rounded when they were sent.</summary>
    public (float[] Floats, double[] Tallies) Root(IReadOnlySet<TreeNode> rounded) => Root(new(0, round.MicroBatches), rounded);

    private (float[] Floats, double[] Tallies) Root(TreeNode node, IReadOnlySet<TreeNode> rounded)
    {
        if (!rounded.Any(r => r.First >= node.First && r.End <= node.End)) return Of(node);
        if (!rounded.Contains(node))
        {
            var (left, right) = ReductionTree.Children(node);
            return Add(Root(left, rounded), Root(right, rounded));
        }
        var sum = Of(node);
        return (Rounded(sum.Floats), sum.Tallies);
    }

    /// <summary>Rounded to bfloat16.</summary>
    public static float[] Rounded(float[] numbers)
    {
        var halves = new ushort[numbers.Length];
        var rounded = new float[numbers.Length];
        Bfloat16.Encode(numbers, halves);
        Bfloat16.Decode(halves, rounded);
        return rounded;
    }

    private static (float[] Floats, double[] Tallies) Add(
        (float[] Floats, double[] Tallies) left, (float[] Floats, double[] Tallies) right) =>
        ([.. left.Floats.Zip(right.Floats, (a, b) => a + b)], [.. left.Tallies.Zip(right.Tallies, (a, b) => a + b)]);

    private (float[] Floats, double[] Tallies) Contribution(int microBatch)
    {
        var random = new Random((int)Permutation.Mix(seed, round.Number, microBatch));
        var floats = new float[round.Kind == RoundKind.Train ? layout.Floats : 0];
        foreach (ref var number in floats.AsSpan()) number = (random.NextSingle() - 0.5f) * (1 << random.Next(20));
        var tallies = new double[layout.Tallies];
        foreach (ref var number in tallies.AsSpan()) number = (random.NextDouble() - 0.5) * (1L << random.Next(40));
        return (floats, tallies);
    }
}
