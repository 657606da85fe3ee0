using System.Numerics.Tensors;
using BenchmarkDotNet.Attributes;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Bench.Micro;

/// <summary>The tree sum and mean of contributions, slice by slice.</summary>
public class SumBenchmarks
{
    private static readonly VectorLayout _layout = new(421_642, 3);

    private VectorPool _pool = null!;
    private VectorBuffer[] _vectors = null!;

    /// <summary>Contributions of a round.</summary>
    [Params(2, 8)]
    public int MicroBatches { get; set; }

    /// <summary>Allocates the vectors.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        _pool = new(_layout);
        _vectors = [.. Enumerable.Range(0, MicroBatches).Select(_ => _pool.Rent())];
        foreach (var vector in _vectors) vector.GetSpan().Clear();
    }

    /// <summary>Frees the vectors.</summary>
    [GlobalCleanup]
    public void CleanUp()
    {
        foreach (var vector in _vectors) vector.Release();
        _pool.Dispose();
    }

    /// <summary>All slices of 421,642 floats.</summary>
    [Benchmark]
    public void TreeSum()
    {
        for (var slice = 0; slice < _layout.Slices; slice++)
        {
            Sum(new ReductionTree(MicroBatches).Root, slice);
            if (slice == _layout.TallySlice) continue;
            TensorPrimitives.Divide(_vectors[0].FloatsAt(slice), MicroBatches, _vectors[0].FloatsAt(slice));
        }
    }

    private void Sum(TreeNode node, int slice)
    {
        if (node.Count == 1) return;
        var (left, right) = ReductionTree.Children(node);
        Sum(left, slice);
        Sum(right, slice);
        VectorSums.Add(_vectors[left.First], _vectors[right.First], slice);
    }
}
