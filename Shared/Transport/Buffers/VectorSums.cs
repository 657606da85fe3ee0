using System.Numerics.Tensors;

namespace Distributed.Transport.Buffers;

/// <summary>How contributions are added: element by element, float32 slices in float32 and tallies in float64. Elementwise IEEE
/// additions, so vectorized or not, same bits.</summary>
internal static class VectorSums
{
    /// <summary>Adds a slice of one vector to another's.</summary>
    public static void Add(VectorBuffer into, VectorBuffer from, int slice)
    {
        if (slice == into.Layout.TallySlice) TensorPrimitives.Add(into.Tallies, from.Tallies, into.Tallies);
        else TensorPrimitives.Add(into.FloatsAt(slice), from.FloatsAt(slice), into.FloatsAt(slice));
    }
}
