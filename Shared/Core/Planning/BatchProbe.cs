using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>
/// Searches for the largest micro-batch that fits into memory. It doubles the size while the next one is expected to fit by the memory that
/// the last two took; the result lies on the line through these two. On a CPU a size that does not fit must not be tried, as it would end
/// the process. On a GPU it fails, and the last size that succeeded is the result.
/// </summary>
/// <param name="MaxSamples">Largest size worth trying, at least 1.</param>
/// <param name="Budget">Bytes that a micro-batch may take.</param>
public sealed record BatchProbe(int MaxSamples, long Budget)
{
    /// <summary>The sizes that succeeded, ascending, with the bytes that each took.</summary>
    public ImmutableList<(int Samples, long Bytes)> Tried { get; init; } = [];

    /// <summary>Whether a larger size was tried and failed.</summary>
    public bool HasFailed { get; init; }

    /// <summary>The size to try next; null once <see cref="Result"/> is known.</summary>
    public int? Next => Tried switch
    {
        _ when HasFailed => null,
        [] => 1,
        [.., var last] when last.Samples >= MaxSamples || last.Bytes > Budget => null,
        [.., var last] when Expected(Math.Min(2L * last.Samples, MaxSamples)) is var bytes && bytes > Budget => null,
        [.., var last] => (int)Math.Min(2L * last.Samples, MaxSamples),
    };

    /// <summary>The largest micro-batch that fits, once <see cref="Next"/> is null; 0 if not even one sample does.</summary>
    public int Result
    {
        get
        {
            if (Tried is not [.., var last]) return 0;
            if (last.Bytes > Budget) return Tried.FindLast(tried => tried.Bytes <= Budget).Samples;
            if (HasFailed || last.Samples >= MaxSamples) return last.Samples;
            var most = last.Samples + (long)((Budget - last.Bytes) / BytesOfSample);
            return Rounded((int)Math.Clamp(most, last.Samples, (2L * last.Samples) - 1));
        }
    }

    /// <summary>The probe after a size succeeded.</summary>
    /// <param name="samples">The size.</param>
    /// <param name="bytes">Bytes that it took, 0 or more.</param>
    public BatchProbe Succeeded(int samples, long bytes) => this with { Tried = Tried.Add((samples, bytes)) };

    /// <summary>The probe after <see cref="Next"/> failed.</summary>
    public BatchProbe Failed() => this with { HasFailed = true };

    private double BytesOfSample =>
        Tried is [.., var before, var last] ? Math.Max(0, (double)(last.Bytes - before.Bytes) / (last.Samples - before.Samples)) : 0;

    private double Expected(long samples) => Tried[^1].Bytes + (BytesOfSample * (samples - Tried[^1].Samples));

    // Down to a number of four significant bits, so that two machines of a kind get the same result.
    private static int Rounded(int samples)
    {
        var unit = 1;
        while (samples / unit >= 16) unit *= 2;
        return samples / unit * unit;
    }
}
