using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Worker.Tests.Links;

/// <summary>The numbers of a vector as a round exchanges them.</summary>
/// <param name="Floats">The floats; empty in an evaluation.</param>
/// <param name="Tallies">All tallies.</param>
internal sealed record Numbers(float[] Floats, double[] Tallies)
{
    public static Numbers Of(VectorBuffer vector, RoundKind kind) =>
        new(kind == RoundKind.Train ? [.. vector.Floats] : [], [.. vector.Tallies]);

    /// <summary>Whether all bits are the same, including those of NaN and the sign of zero.</summary>
    public bool HasBitsOf(Numbers other) =>
        MemoryMarshal.AsBytes(Floats.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(other.Floats.AsSpan()))
        && MemoryMarshal.AsBytes(Tallies.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(other.Tallies.AsSpan()));

    /// <summary>A slice as it is on the wire.</summary>
    public byte[] Slice(int slice, VectorLayout layout)
    {
        var (offset, length) = layout.BytesOf(slice);
        return slice == layout.TallySlice
            ? MemoryMarshal.AsBytes(Tallies.AsSpan()).ToArray()
            : MemoryMarshal.AsBytes(Floats.AsSpan()).Slice(offset, length).ToArray();
    }
}

/// <summary>
/// Contributions that the seed determines, and their sums by plain recursion over the tree. The numbers span so many magnitudes that
/// another order of additions gives other bits.
/// </summary>
internal sealed class PlainSums(int seed, VectorLayout layout)
{
    public VectorLayout Layout => layout;

    /// <summary>Writes the contribution of a micro-batch into a vector; in an evaluation, only the tallies.</summary>
    public void Fill(Round round, int microBatch, VectorBuffer into)
    {
        var (floats, tallies) = Contribution(round, microBatch);
        floats.CopyTo(into.Floats);
        tallies.CopyTo(into.Tallies);
    }

    /// <summary>The sum of a node of the round's tree.</summary>
    public Numbers Sum(Round round, TreeNode node) => Sum(round, node, number => number);

    /// <summary>The average that every replica must take.</summary>
    public Numbers Average(Round round)
    {
        var sum = Sum(round, new(0, round.MicroBatches));
        return sum with { Floats = Array.ConvertAll(sum.Floats, number => number / round.Samples) };
    }

    /// <summary>
    /// The average of the absolute values: it bounds the error that rounding on the wire can cause, in units of the wire's precision.
    /// </summary>
    public float[] Magnitudes(Round round) =>
        Array.ConvertAll(Sum(round, new(0, round.MicroBatches), Math.Abs).Floats, number => number / round.Samples);

    private Numbers Sum(Round round, TreeNode node, Func<float, float> of)
    {
        if (node.Count == 1)
        {
            var leaf = Contribution(round, node.First);
            return leaf with { Floats = Array.ConvertAll(leaf.Floats, number => of(number)) };
        }
        var left = 1;
        while (left * 2 < node.Count) left *= 2;
        var (sum, right) = (Sum(round, new(node.First, left), of), Sum(round, new(node.First + left, node.Count - left), of));
        for (var i = 0; i < sum.Floats.Length; i++) sum.Floats[i] += right.Floats[i];
        for (var i = 0; i < sum.Tallies.Length; i++) sum.Tallies[i] += right.Tallies[i];
        return sum;
    }

    private Numbers Contribution(Round round, int microBatch)
    {
        var random = new Random((int)Permutation.Mix(seed, round.Number, microBatch));
        var floats = new float[round.Kind == RoundKind.Train ? layout.Floats : 0];
        foreach (ref var number in floats.AsSpan()) number = (random.NextSingle() - 0.5f) * (1 << random.Next(20));
        var tallies = new double[layout.Tallies];
        foreach (ref var number in tallies.AsSpan()) number = (random.NextDouble() - 0.5) * (1L << random.Next(40));
        return new(floats, tallies);
    }
}
