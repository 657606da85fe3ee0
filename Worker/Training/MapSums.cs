using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Worker.Training;

/// <summary>The contributions and sums that a worker holds of one round, each in the vector of its first micro-batch.</summary>
/// <param name="pool">Where their memory comes from, and goes back to as soon as it has been added.</param>
internal sealed class MapSums(VectorPool pool) : IDisposable
{
    private VectorBuffer?[] _vectors = [];

    /// <summary>Lets go of everything and begins with a round of so many micro-batches.</summary>
    public void Restart(int microBatches)
    {
        Clear();
        if (_vectors.Length < microBatches) _vectors = new VectorBuffer?[microBatches];
    }

    /// <summary>Memory for the contribution of a micro-batch, whose additions can be made from here on.</summary>
    /// <param name="microBatch">The micro-batch; nothing is held of it.</param>
    /// <param name="merges">The additions that follow from it (<see cref="RoundWork.Merges"/>).</param>
    public VectorBuffer Place(int microBatch, ReadOnlySpan<Merge> merges)
    {
        // Decided before the first slice is added: whether a sum is still on its way may change between two slices.
        foreach (var merge in merges)
            if (_vectors[merge.Into] is { IsShared: true } sum) _vectors[merge.Into] = CopyOf(sum);
        if (_vectors[microBatch] is not null) throw new InvalidOperationException($"micro-batch {microBatch} already has a vector");
        return _vectors[microBatch] = pool.Rent();
    }

    /// <summary>Makes one slice of an addition. That of the vectors on both sides must be final.</summary>
    public void AddSlice(in Merge merge, int slice) => VectorSums.Add(_vectors[merge.Into]!, _vectors[merge.From]!, slice);

    /// <summary>All slices of these additions are made: gives back what was added.</summary>
    public void Complete(ReadOnlySpan<Merge> merges)
    {
        foreach (var merge in merges) Release(merge.From);
    }

    public VectorBuffer At(TreeNode node) => _vectors[node.First]!;

    public void Drop(TreeNode node) => Release(node.First);

    public void Clear()
    {
        for (var first = 0; first < _vectors.Length; first++) Release(first);
    }

    public void Dispose() => Clear();

    private void Release(int first)
    {
        _vectors[first]?.Release();
        _vectors[first] = null;
    }

    /// <summary>After a change of plan a sum may still be on its way under the old one: that memory must not change.</summary>
    private static VectorBuffer CopyOf(VectorBuffer sum)
    {
        var copy = sum.Copy();
        sum.Release();
        return copy;
    }
}
