using Distributed.Core.Planning;
using Distributed.Transport.Buffers;

namespace Distributed.Worker.Tests.Links;

/// <summary>What a <see cref="MeshReplica"/> contributes, and how it applies an average; called on its thread.</summary>
internal interface IMapping
{
    /// <summary>Computes the contribution of a micro-batch, and announces each slice when it is final.</summary>
    void Compute(Round round, int microBatch, VectorBuffer contribution, Action<int> announce);

    /// <summary>Applies the average of a round.</summary>
    void Apply(Round round, VectorBuffer average);
}

/// <summary>Contributions without a model, which the seed determines; their slices become ready in random order.</summary>
internal sealed class PlainMapping(PlainSums plain, int seed) : IMapping
{
    private readonly Random _random = new(seed);

    public void Compute(Round round, int microBatch, VectorBuffer contribution, Action<int> announce)
    {
        plain.Fill(round, microBatch, contribution);
        var first = plain.Layout.FirstSlice(round.Kind);
        int[] slices = [.. Enumerable.Range(first, plain.Layout.Slices - first)];
        _random.Shuffle(slices);
        foreach (var slice in slices) announce(slice);
    }

    public void Apply(Round round, VectorBuffer average)
    {
    }
}
