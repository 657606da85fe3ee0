using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

// Whether float slices are sent as float32 or as bfloat16. bfloat16 takes half the bytes, but the result depends on the number of workers,
// since sums of a worker's own are not rounded. Tallies are always sent as float64.
internal readonly record struct WireFormat(bool IsBfloat16)
{
    // No cache holds the beginning of a vector of this size once its end has arrived.
    private const int LargeBytes = 16 << 20;

    public bool SendsBfloat16(int slice, VectorLayout layout) => IsBfloat16 && slice != layout.TallySlice;

    public void Read(ReadOnlySpan<byte> payload, int slice, VectorBuffer into)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(payload.Length, into.Layout.WireBytesOf(slice, IsBfloat16));
        if (SendsBfloat16(slice, into.Layout)) Bfloat16.Decode(MemoryMarshal.Cast<byte, ushort>(payload), into.FloatsAt(slice));
        else if (into.Layout.Bytes < LargeBytes) payload.CopyTo(into.SliceMemory(slice).Span);
        else StreamingCopy.To(into.SliceMemory(slice).Span, payload);
    }

    public void Round(Span<float> numbers)
    {
        if (!IsBfloat16) return;
        Span<ushort> halves = stackalloc ushort[512];
        while (!numbers.IsEmpty)
        {
            var some = numbers[..Math.Min(numbers.Length, halves.Length)];
            Bfloat16.Encode(some, halves[..some.Length]);
            Bfloat16.Decode(halves[..some.Length], some);
            numbers = numbers[some.Length..];
        }
    }
}

/// <summary>The bytes to send for the vectors of a round: the vectors themselves, or copies in bfloat16. Used by one thread at a
/// time.</summary>
internal sealed class WireCopies(WireFormat wire, VectorPool pool)
{
    private readonly List<(VectorBuffer Vector, VectorBuffer Copy)> _copies = [];
    private (VectorBuffer? Vector, int Slice) _last;

    public (ReadOnlyMemory<byte> Bytes, VectorBuffer Owner) Of(VectorBuffer vector, int slice)
    {
        if (!wire.SendsBfloat16(slice, pool.Layout)) return (vector.SliceMemory(slice), vector);
        var copy = CopyOf(vector);
        var bytes = copy.SliceMemory(slice)[..pool.Layout.WireBytesOf(slice, isBfloat16: true)];
        if (_last != (vector, slice)) Bfloat16.Encode(vector.FloatsAt(slice), MemoryMarshal.Cast<byte, ushort>(bytes.Span));
        _last = (vector, slice);
        return (bytes, copy);
    }

    public void Clear()
    {
        foreach (var (_, copy) in _copies) copy.Release();
        _copies.Clear();
        _last = default;
    }

    private VectorBuffer CopyOf(VectorBuffer vector)
    {
        foreach (var (known, copy) in _copies)
            if (known == vector) return copy;
        _copies.Add((vector, pool.Rent()));
        return _copies[^1].Copy;
    }
}
