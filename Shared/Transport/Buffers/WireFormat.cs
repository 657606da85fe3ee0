using System.Runtime.InteropServices;
using Distributed.Core.Reduction;

namespace Distributed.Transport.Buffers;

/// <summary>How slices travel: float32, or float slices as bfloat16 (half the bytes; the result then depends on how many
/// workers there are, since what a worker reduces of its own is not rounded). Tallies always travel as they are.</summary>
/// <param name="IsBfloat16">Whether float slices travel as bfloat16.</param>
internal readonly record struct WireFormat(bool IsBfloat16)
{
    /// <summary>Of a vector of so many bytes no cache holds the beginning when its end has come.</summary>
    private const int LargeBytes = 16 << 20;

    /// <summary>Whether this slice travels as bfloat16.</summary>
    public bool SendsBfloat16(int slice, VectorLayout layout) => IsBfloat16 && slice != layout.TallySlice;

    /// <param name="payload">Of <see cref="VectorLayout.WireBytesOf"/> bytes.</param>
    /// <param name="into">Where it goes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The payload has another length.</exception>
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

/// <summary>What is sent of the vectors of a round: the vectors themselves, or copies in bfloat16. Belongs to one thread at a time.</summary>
/// <param name="pool">Where copies are made.</param>
internal sealed class WireCopies(WireFormat wire, VectorPool pool)
{
    private readonly List<(VectorBuffer Vector, VectorBuffer Copy)> _copies = [];
    private (VectorBuffer? Vector, int Slice) _last;

    /// <summary>The bytes of a slice as they travel, and the buffer to hold until they have.</summary>
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
