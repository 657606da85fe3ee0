namespace Distributed.Worker.Training;

/// <summary>In which order the slices become final in a backward pass, and at which calls it is worth being told.</summary>
internal sealed class SliceOrder
{
    private readonly (int Slice, int Call)[] _slices;
    private readonly bool[] _isMarked;

    /// <param name="parts">What lies in which slice.</param>
    /// <param name="firstCalls">For each parameter the first call of a module that owns it; negative where that is unknown.</param>
    /// <param name="reached">For each call of the pass, whether backward comes by a marker there.</param>
    public SliceOrder(SliceParts parts, ReadOnlySpan<int> firstCalls, ReadOnlySpan<bool> reached)
    {
        _isMarked = new bool[reached.Length];
        List<(int Slice, int Call)> slices = [];
        for (var slice = parts.Whole - 1; slice >= 0; slice--)
        {
            var call = int.MaxValue;
            foreach (var part in parts.In(slice)) call = Math.Min(call, firstCalls[part.Parameter]);
            // The next marker that backward comes by once the last of its parameters is complete.
            while (call >= 0 && !reached[call]) call--;
            if (call < 0) continue;
            _isMarked[call] = true;
            slices.Add((slice, call));
        }
        _slices = [.. slices.OrderByDescending(s => s.Call)];
    }

    /// <summary>Slices that are final before backward ends.</summary>
    public int Count => _slices.Length;

    /// <summary>The slice that becomes final at this place, and the call at whose marker.</summary>
    public (int Slice, int Call) this[int place] => _slices[place];

    /// <summary>Whether a slice becomes final at this call's marker: the others need none.</summary>
    public bool IsMarked(int call) => _isMarked[call];
}
