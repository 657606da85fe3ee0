using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Worker.Replicas;

/// <summary>The contributions and sums that a worker holds of one round.</summary>
/// <param name="round">The round.</param>
/// <param name="pool">Where their memory comes from.</param>
internal sealed class MapSums(Round round, VectorPool pool) : IContributionSums, IDisposable
{
    private readonly VectorSums _vectors = new(round.MicroBatches);

    /// <summary>First of the slices that the round exchanges.</summary>
    public int FirstSlice { get; } = pool.Layout.FirstSlice(round.Kind);

    /// <summary>Memory for the contribution of a micro-batch.</summary>
    public VectorBuffer Place(int microBatch)
    {
        var vector = pool.Rent();
        _vectors.Put(microBatch, vector);
        return vector;
    }

    /// <summary>The sum of a node that is held.</summary>
    public VectorBuffer At(TreeNode node) => _vectors.At(node.First)!;

    /// <summary>Lets go of the sum of a node.</summary>
    public void Drop(TreeNode node) => _vectors.Take(node.First).Release();

    /// <inheritdoc/>
    public void Add(int into, int from, int slice)
    {
        var (left, right) = (Own(_vectors.Take(into)), _vectors.Take(from));
        for (var s = FirstSlice; s < pool.Layout.Slices; s++) VectorSums.Add(left, right, s);
        right.Release();
        _vectors.Put(into, left);
    }

    /// <inheritdoc/>
    public void Dispose() => _vectors.Dispose();

    /// <summary>After a change of plan a sum may still be on its way under the old one: that memory must not change.</summary>
    private VectorBuffer Own(VectorBuffer vector)
    {
        if (!vector.IsShared) return vector;
        var copy = pool.Rent();
        vector.Memory.CopyTo(copy.Memory);
        vector.Release();
        return copy;
    }
}
