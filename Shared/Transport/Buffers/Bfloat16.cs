using System.Numerics;
using System.Runtime.InteropServices;

namespace Distributed.Transport.Buffers;

// bfloat16: the upper half of a float32, with its range and 8 bits of precision. Integer operations only, so the bits are the same on
// every processor.
internal static class Bfloat16
{
    private const uint Magnitude = 0x7FFF_FFFF;
    private const uint Infinity = 0x7F80_0000;
    private const uint BelowHalf = 0x7FFF;
    private const uint Quiet = 0x0040;

    /// <summary>Rounds to the nearest, ties to even (IEEE 754). Overflow becomes infinity; NaN becomes a quiet NaN with the same
    /// sign.</summary>
    public static void Encode(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        if (source.Length != destination.Length) throw Mismatch(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<float, uint>(source);
        var done = 0;
        for (; done <= bits.Length - Vector<ushort>.Count; done += Vector<ushort>.Count)
        {
            var (low, high) = (Encode(new Vector<uint>(bits[done..])), Encode(new Vector<uint>(bits[(done + Vector<uint>.Count)..])));
            Vector.Narrow(low, high).CopyTo(destination[done..]);
        }
        for (; done < bits.Length; done++) destination[done] = Encode(bits[done]);
    }

    /// <summary>Exact: every bfloat16 is a float32.</summary>
    public static void Decode(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        if (source.Length != destination.Length) throw Mismatch(source.Length, destination.Length);
        var bits = MemoryMarshal.Cast<float, uint>(destination);
        var done = 0;
        for (; done <= bits.Length - Vector<ushort>.Count; done += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[done..]), out var low, out var high);
            (low << 16).CopyTo(bits[done..]);
            (high << 16).CopyTo(bits[(done + Vector<uint>.Count)..]);
        }
        for (; done < bits.Length; done++) bits[done] = (uint)source[done] << 16;
    }

    private static ushort Encode(uint bits) =>
        (ushort)((bits & Magnitude) > Infinity ? bits >> 16 | Quiet : bits + BelowHalf + (bits >> 16 & 1) >> 16);

    private static Vector<uint> Encode(Vector<uint> bits)
    {
        var upper = bits >>> 16;
        var isNaN = Vector.GreaterThan(bits & new Vector<uint>(Magnitude), new Vector<uint>(Infinity));
        var rounded = (bits + new Vector<uint>(BelowHalf) + (upper & Vector<uint>.One)) >>> 16;
        return Vector.ConditionalSelect(isNaN, upper | new Vector<uint>(Quiet), rounded);
    }

    private static ArgumentException Mismatch(int source, int destination) => new($"{source} numbers do not fit {destination} places");
}
