using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Shared.Tests;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>
/// Contributions that their seed decides, and their sums by plain recursion over the tree: numbers of so many magnitudes that
/// another order of the additions gives other bits.
/// </summary>
internal sealed class PlainSums(int seed, VectorLayout layout)
{
    /// <summary>The sum of a node of a round's tree, slice by slice, as it is on the wire.</summary>
    public byte[][] Sum(Round round, TreeNode node)
    {
        var (floats, tallies) = SumOf(round, node);
        return Slices(floats, tallies);
    }

    /// <summary>The average that every worker must receive, by slice.</summary>
    public SortedDictionary<int, byte[]> Average(Round round)
    {
        var (floats, tallies) = SumOf(round, new(0, round.MicroBatches));
        for (var i = 0; i < floats.Length; i++) floats[i] /= round.Samples;
        var slices = Slices(floats, tallies);
        return new(Enumerable.Range(0, slices.Length).Skip(layout.FirstSlice(round.Kind)).ToDictionary(s => s, s => slices[s]));
    }

    /// <summary>All frames that a worker owes a round.</summary>
    public IEnumerable<(FrameHeader Header, byte[] Payload)> Owed(Plan plan, string worker, Round round)
    {
        foreach (var node in new ReductionTree(round.MicroBatches).Cover(plan.RangeOf(worker, round.MicroBatches)))
        {
            var slices = Sum(round, node);
            for (var slice = layout.FirstSlice(round.Kind); slice < slices.Length; slice++)
            {
                var length = slices[slice].Length;
                FrameHeader header = new(FrameKind.Contribution, StarBench.Job, plan.Generation, round.Number, slice, node, length);
                yield return (header, slices[slice]);
            }
        }
    }

    private (float[] Floats, double[] Tallies) SumOf(Round round, TreeNode node)
    {
        if (node.Count == 1) return Contribution(round, node.First);
        var left = 1;
        while (left * 2 < node.Count) left *= 2;
        var (sum, right) = (SumOf(round, new(node.First, left)), SumOf(round, new(node.First + left, node.Count - left)));
        for (var i = 0; i < sum.Floats.Length; i++) sum.Floats[i] += right.Floats[i];
        for (var i = 0; i < sum.Tallies.Length; i++) sum.Tallies[i] += right.Tallies[i];
        return sum;
    }

    private (float[] Floats, double[] Tallies) Contribution(Round round, int microBatch)
    {
        var random = new Random((int)Permutation.Mix(seed, round.Number, microBatch));
        var floats = new float[round.Kind == RoundKind.Train ? layout.Floats : 0];
        foreach (ref var number in floats.AsSpan()) number = (random.NextSingle() - 0.5f) * (1 << random.Next(20));
        var tallies = new double[layout.Tallies];
        foreach (ref var number in tallies.AsSpan()) number = (random.NextDouble() - 0.5) * (1L << random.Next(40));
        return (floats, tallies);
    }

    private byte[][] Slices(float[] floats, double[] tallies)
    {
        var slices = new byte[layout.Slices][];
        for (var slice = 0; slice < layout.TallySlice; slice++)
        {
            var (offset, length) = layout.BytesOf(slice);
            slices[slice] = floats.Length == 0 ? [] : MemoryMarshal.AsBytes(floats.AsSpan()).Slice(offset, length).ToArray();
        }
        slices[^1] = MemoryMarshal.AsBytes(tallies.AsSpan()).ToArray();
        return slices;
    }
}
