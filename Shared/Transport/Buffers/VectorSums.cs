using System.Numerics.Tensors;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>The vectors of a round, each in the buffer of its first micro-batch, and how they are added: element by
/// element, float32 slices in float32 and tallies in float64. Elementwise IEEE additions, so vectorized or not, same bits.</summary>
public sealed class VectorSums(int leaves) : IContributionSums, IDisposable
{
    private readonly VectorBuffer?[] _vectors = new VectorBuffer?[leaves];

    /// <summary>The vector that starts at this micro-batch, if there is one.</summary>
    public VectorBuffer? At(int first) => _vectors[first];

    /// <summary>Puts a vector in its place and takes over the caller's hold on it.</summary>
    public void Put(int first, VectorBuffer vector)
    {
        if (_vectors[first] is not null) throw new InvalidOperationException($"micro-batch {first} already has a vector");
        _vectors[first] = vector;
    }

    /// <summary>Takes a vector out, with the hold on it.</summary>
    public VectorBuffer Take(int first)
    {
        var vector = _vectors[first] ?? throw new InvalidOperationException($"micro-batch {first} has no vector");
        _vectors[first] = null;
        return vector;
    }

    /// <inheritdoc/>
    public void Add(int into, int from, int slice) => Add(_vectors[into]!, _vectors[from]!, slice);

    /// <summary>Adds a slice of one vector to another's.</summary>
    public static void Add(VectorBuffer into, VectorBuffer from, int slice) => Add(into, from, into, slice);

    /// <summary>Writes the sum of a slice of two vectors to a third one, which may be one of them.</summary>
    public static void Add(VectorBuffer left, VectorBuffer right, VectorBuffer sum, int slice)
    {
        if (slice == sum.Layout.TallySlice) TensorPrimitives.Add(left.Tallies, right.Tallies, sum.Tallies);
        else TensorPrimitives.Add(left.FloatsAt(slice), right.FloatsAt(slice), sum.FloatsAt(slice));
    }

    /// <summary>Turns a slice of the root's sum into the mean over the samples; tallies stay sums.</summary>
    public static void Average(VectorBuffer sum, int slice, int samples)
    {
        if (slice != sum.Layout.TallySlice) TensorPrimitives.Divide(sum.FloatsAt(slice), samples, sum.FloatsAt(slice));
    }

    /// <summary>Lets go of all vectors.</summary>
    public void Dispose()
    {
        foreach (ref var vector in _vectors.AsSpan())
        {
            vector?.Release();
            vector = null;
        }
    }
}
