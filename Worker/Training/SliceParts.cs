using Distributed.Core.Reduction;

namespace Distributed.Worker.Training;

/// <param name="Parameter">Its place among the parameters of the layout.</param>
/// <param name="First">Its first float in the vector.</param>
/// <param name="Length">Floats of it in the slice, at least 1.</param>
internal readonly record struct SlicePart(int Parameter, int First, int Length);

/// <summary>Which parameters lie in which slice of a contribution.</summary>
internal sealed class SliceParts
{
    private readonly SlicePart[][] _parts;

    public SliceParts(FlatModel model, VectorLayout layout)
    {
        Parameters = [.. model.Layout.Where(l => l.Kind is TensorKind.Parameter)];
        Whole = (int)model.Parameters.numel() / VectorLayout.SliceFloats;
        if (layout.Floats == model.Parameters.numel()) Whole = layout.TallySlice;
        _parts = [.. Enumerable.Range(0, Whole).Select(slice => Cut(slice * VectorLayout.SliceFloats, VectorLayout.SliceFloats).ToArray())];
    }

    /// <summary>The parameters, in the order of the layout.</summary>
    public IReadOnlyList<TensorLayout> Parameters { get; }

    /// <summary>The slices that hold gradients alone: 0 to this, exclusive.</summary>
    public int Whole { get; }

    /// <summary>The parts in a slice below <see cref="Whole"/>, in order.</summary>
    public ReadOnlySpan<SlicePart> In(int slice) => _parts[slice];

    private IEnumerable<SlicePart> Cut(long first, long length) =>
        from parameter in Enumerable.Range(0, Parameters.Count)
        let start = Math.Max(first, Parameters[parameter].Offset)
        let end = Math.Min(first + length, Parameters[parameter].Offset + Parameters[parameter].Length)
        where start < end
        select new SlicePart(parameter, (int)start, (int)(end - start));
}
