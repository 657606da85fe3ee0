using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>
/// How a contribution lies in memory and on the wire: the float32 vector (gradient, then buffer change), cut into slices
/// of equal length, and behind it the tallies as one more slice of float64 (samples, loss, metrics: sums over samples).
/// </summary>
/// <param name="Floats">Length of the float vector, 0 or more.</param>
/// <param name="Tallies">Number of tallies, at least 1.</param>
public sealed record VectorLayout(int Floats, int Tallies)
{
    /// <summary>Floats in a slice but the last: 128 KiB, several of which a core's cache holds.</summary>
    public const int SliceFloats = 32 * 1024;

    /// <summary>Floats a vector may have: its bytes must be addressable by an int.</summary>
    public const int MaxFloats = 500_000_000;

    /// <summary>Tallies a contribution may have.</summary>
    public const int MaxTallies = 4096;

    /// <summary>Slices of the whole vector, the tallies included.</summary>
    public int Slices => TallySlice + 1;

    /// <summary>The slice that holds the tallies: the last one.</summary>
    public int TallySlice => (Floats + SliceFloats - 1) / SliceFloats;

    /// <summary>Bytes of the whole vector.</summary>
    public int Bytes => TallyOffset + Tallies * sizeof(double);

    private int TallyOffset => (Floats * sizeof(float) + 7) / 8 * 8;

    /// <summary>First of the slices that a round of this kind exchanges; all from there on. An evaluation exchanges tallies alone.</summary>
    public int FirstSlice(RoundKind kind) => kind == RoundKind.Train ? 0 : TallySlice;

    /// <summary>Bytes of a slice.</summary>
    public (int Offset, int Length) BytesOf(int slice)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slice);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slice, Slices);
        if (slice == TallySlice) return (TallyOffset, Tallies * sizeof(double));
        var first = slice * SliceFloats;
        return (first * sizeof(float), Math.Min(SliceFloats, Floats - first) * sizeof(float));
    }

    /// <summary>Bytes of a slice on a link.</summary>
    /// <param name="slice">Slice of the vector.</param>
    /// <param name="isBfloat16">Whether floats travel as bfloat16; tallies stay float64.</param>
    public int WireBytesOf(int slice, bool isBfloat16) => BytesOf(slice).Length / (isBfloat16 && slice != TallySlice ? 2 : 1);

    /// <summary>Checks the sizes that a worker reports before anything is allocated from them.</summary>
    public bool IsValid => Floats is >= 0 and <= MaxFloats && Tallies is >= 1 and <= MaxTallies;
}

/// <summary>The tallies every task has; a task's own metrics follow.</summary>
public static class Tally
{
    /// <summary>Number of samples.</summary>
    public const int Samples = 0;
    /// <summary>Sum of the losses.</summary>
    public const int Loss = 1;
    /// <summary>Index of the task's first metric.</summary>
    public const int FirstMetric = 2;
}
