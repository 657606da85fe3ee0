namespace Distributed.Worker.Training;

/// <summary>A few floats of each announced slice, kept to notice a gradient that was still to change. Other ones in each pass.</summary>
internal sealed class GradientSamples
{
    private const int PerPart = 4;

    private readonly SliceParts _parts;
    private readonly int[] _firstOf;
    private readonly uint[] _samples;
    private readonly int[] _taken;
    private int _takenCount;
    private ulong _pass;

    public GradientSamples(SliceParts parts)
    {
        _parts = parts;
        _taken = new int[parts.Whole];
        _firstOf = new int[parts.Whole + 1];
        for (var slice = 0; slice < parts.Whole; slice++) _firstOf[slice + 1] = _firstOf[slice] + (parts.In(slice).Length * PerPart);
        _samples = new uint[_firstOf[^1]];
    }

    public void Restart() => (_takenCount, _pass) = (0, _pass + 1);

    public void Take(int slice, ReadOnlySpan<float> vector)
    {
        _taken[_takenCount++] = slice;
        var at = _firstOf[slice];
        foreach (var part in _parts.In(slice))
            for (var i = 0; i < PerPart; i++) _samples[at++] = Sample(part, i, vector);
    }

    /// <summary>The parameter of which a kept float is another one now; negative where there is none.</summary>
    public int Changed(ReadOnlySpan<float> vector)
    {
        foreach (var slice in _taken.AsSpan(0, _takenCount))
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
