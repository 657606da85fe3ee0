using Distributed.Core.Reduction;

namespace Distributed.Worker.Training;

/// <param name="Parameter">Its index among the parameters of the layout.</param>
/// <param name="First">Its first float in the vector.</param>
/// <param name="Length">Its floats in the slice, at least 1.</param>
internal readonly record struct SlicePart(int Parameter, int First, int Length);

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

    public IReadOnlyList<TensorLayout> Parameters { get; }

    /// <summary>The number of slices that hold only gradients; they come first.</summary>
    public int Whole { get; }

    public ReadOnlySpan<SlicePart> In(int slice) => _parts[slice];

    private IEnumerable<SlicePart> Cut(long first, long length) =>
        from parameter in Enumerable.Range(0, Parameters.Count)
        let start = Math.Max(first, Parameters[parameter].Offset)
        let end = Math.Min(first + length, Parameters[parameter].Offset + Parameters[parameter].Length)
        where start < end
        select new SlicePart(parameter, (int)start, (int)(end - start));
}

/// <summary>The order in which slices become final during a backward pass, and the calls after which some do.</summary>
internal sealed class SliceOrder
{
    private readonly (int Slice, int Call)[] _slices;
    private readonly bool[] _isMarked;

    /// <param name="firstCalls">For each parameter the first call of a module that owns it; negative if unknown.</param>
    /// <param name="reached">For each call of the pass, whether backward reaches its marker.</param>
    public SliceOrder(SliceParts parts, ReadOnlySpan<int> firstCalls, ReadOnlySpan<bool> reached)
    {
        _isMarked = new bool[reached.Length];
        List<(int Slice, int Call)> slices = [];
        for (var slice = parts.Whole - 1; slice >= 0; slice--)
        {
            var call = int.MaxValue;
            foreach (var part in parts.In(slice)) call = Math.Min(call, firstCalls[part.Parameter]);
            // The next marker that backward reaches once the last of the slice's parameters is complete.
            while (call >= 0 && !reached[call]) call--;
            if (call < 0) continue;
            _isMarked[call] = true;
            slices.Add((slice, call));
        }
        _slices = [.. slices.OrderByDescending(s => s.Call)];
    }

    public int Count => _slices.Length;

    /// <summary>The slice at a position of the order, and the call at whose marker it is final.</summary>
    public (int Slice, int Call) this[int position] => _slices[position];

    /// <summary>Whether a slice becomes final at this call's marker; other calls need no marker.</summary>
    public bool IsMarked(int call) => _isMarked[call];
}

/// <summary>Some floats of each announced slice, other ones in each pass, to detect gradients that change after announcement.</summary>
internal sealed class GradientSamples
{
    private const int PerPart = 4;
    private readonly SliceParts _parts;
    private readonly int[] _firstOf;
    private readonly uint[] _samples;
    private readonly int[] _recorded;
    private int _count;
    private ulong _pass;

    public GradientSamples(SliceParts parts)
    {
        _parts = parts;
        _recorded = new int[parts.Whole];
        _firstOf = new int[parts.Whole + 1];
        for (var slice = 0; slice < parts.Whole; slice++) _firstOf[slice + 1] = _firstOf[slice] + (parts.In(slice).Length * PerPart);
        _samples = new uint[_firstOf[^1]];
    }

    public void Restart() => (_count, _pass) = (0, _pass + 1);

    public void Record(int slice, ReadOnlySpan<float> vector)
    {
        _recorded[_count++] = slice;
        var at = _firstOf[slice];
        foreach (var part in _parts.In(slice))
            for (var i = 0; i < PerPart; i++) _samples[at++] = Sample(part, i, vector);
    }

    /// <summary>A parameter with a recorded float that has changed; negative if all are as recorded.</summary>
    public int FindChanged(ReadOnlySpan<float> vector)
    {
        foreach (var slice in _recorded.AsSpan(0, _count))
        {
            var at = _firstOf[slice];
            foreach (var part in _parts.In(slice))
                for (var i = 0; i < PerPart; i++)
                    if (_samples[at++] != Sample(part, i, vector)) return part.Parameter;
        }
        return -1;
    }

    private uint Sample(SlicePart part, int i, ReadOnlySpan<float> vector)
    {
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4), scaled to the length.
        var place = ((((_pass * PerPart) + (ulong)i) * 0x9e3779b97f4a7c15) >> 32) * (ulong)part.Length >> 32;
        return BitConverter.SingleToUInt32Bits(vector[part.First + (int)place]);
    }
}
