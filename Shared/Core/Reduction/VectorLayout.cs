using Distributed.Core.Planning;

namespace Distributed.Core.Reduction;

/// <summary>
/// Layout of a contribution in memory and on the wire: the float32 vector (gradient, then buffer changes), cut into slices of equal length,
/// and behind it the tallies as one more slice of float64 (number of samples, loss, metrics; all are sums over the samples).
/// </summary>
/// <param name="Floats">Length of the float vector: 0..<see cref="MaxFloats"/>.</param>
/// <param name="Tallies">Number of tallies: 1..<see cref="MaxTallies"/>.</param>
public sealed record VectorLayout(int Floats, int Tallies)
{
    /// <summary>Floats in every slice but the last: 128 KiB, several of which fit into a core's cache.</summary>
    public const int SliceFloats = 32 * 1024;

    /// <summary>Largest vector in floats; an int must address its bytes.</summary>
    public const int MaxFloats = 500_000_000;

    /// <summary>Largest number of tallies.</summary>
    public const int MaxTallies = 4096;

    /// <summary>Number of slices, including the tally slice.</summary>
    public int Slices => TallySlice + 1;

    /// <summary>The slice that holds the tallies: the last one.</summary>
    public int TallySlice => (Floats + SliceFloats - 1) / SliceFloats;

    /// <summary>Bytes of the whole vector.</summary>
    public int Bytes => TallyOffset + Tallies * sizeof(double);

    private int TallyOffset => (Floats * sizeof(float) + 7) / 8 * 8;

    /// <summary>Whether both numbers are in range; to be checked before anything is allocated from them.</summary>
    public bool IsValid => Floats is >= 0 and <= MaxFloats && Tallies is >= 1 and <= MaxTallies;

    /// <summary>The first slice that a round exchanges; it exchanges all from there on. An evaluation exchanges tallies only.</summary>
    /// <param name="kind">Kind of the round.</param>
    public int FirstSlice(RoundKind kind) => kind == RoundKind.Train ? 0 : TallySlice;

    /// <summary>Position of a slice in memory, in bytes.</summary>
    /// <param name="slice">0..<see cref="Slices"/>-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vector has no such slice.</exception>
    public (int Offset, int Length) BytesOf(int slice)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(slice);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(slice, Slices);
        if (slice == TallySlice) return (TallyOffset, Tallies * sizeof(double));
        var first = slice * SliceFloats;
        return (first * sizeof(float), Math.Min(SliceFloats, Floats - first) * sizeof(float));
    }

    /// <summary>Bytes of a slice on a link.</summary>
    /// <param name="slice">0..<see cref="Slices"/>-1.</param>
    /// <param name="isBfloat16">Whether floats are sent as bfloat16; tallies stay float64.</param>
    public int WireBytesOf(int slice, bool isBfloat16) => BytesOf(slice).Length / (isBfloat16 && slice != TallySlice ? 2 : 1);
}

/// <summary>Indexes of the tallies that every task has; the task's own follow.</summary>
public static class Tally
{
    /// <summary>Number of samples.</summary>
    public const int Samples = 0;
    /// <summary>Sum of the losses.</summary>
    public const int Loss = 1;
    /// <summary>First tally of the task's own.</summary>
    public const int FirstMetric = 2;
}
