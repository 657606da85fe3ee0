using System.Collections.Immutable;

namespace Distributed.Core.Planning;

/// <summary>
/// The search for the largest micro-batch that fits: sizes are tried, each twice the one before, while the next is expected to fit by the
/// memory that the last two took; the answer lies on the line through these two. On a CPU nothing can be tried that does not fit, as it would
/// end the process; where it can be tried, as on a GPU, the last size that did is the answer.
/// </summary>
/// <param name="MaxSamples">No larger one is of use; at least 1.</param>
/// <param name="Budget">Bytes that a micro-batch may take.</param>
public sealed record BatchProbe(int MaxSamples, long Budget)
{
    /// <summary>What was tried and did not fail, and the bytes that it took.</summary>
    public ImmutableList<(int Samples, long Bytes)> Tried { get; init; } = [];

    /// <summary>Whether a larger one was tried, and failed.</summary>
    public bool HasFailed { get; init; }

    /// <summary>The size to try; null where the answer is known.</summary>
    public int? Next => Tried switch
    {
        _ when HasFailed => null,
        [] => 1,
        [.., var last] when last.Samples >= MaxSamples || last.Bytes > Budget => null,
        [.., var last] when Expected(Math.Min(2L * last.Samples, MaxSamples)) is var bytes && bytes > Budget => null,
        [.., var last] => (int)Math.Min(2L * last.Samples, MaxSamples),
    };

    /// <summary>The largest micro-batch that fits, once <see cref="Next"/> is null; 0 where not even one sample does.</summary>
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

    /// <summary>It has taken so much.</summary>
    public BatchProbe Succeeded(int samples, long bytes) => this with { Tried = Tried.Add((samples, bytes)) };

    /// <summary>It did not fit.</summary>
    public BatchProbe Failed() => this with { HasFailed = true };

    private double BytesOfSample => Tried is [.., var before, var last] ? Math.Max(0, (double)(last.Bytes - before.Bytes) / (last.Samples - before.Samples)) : 0;

    private double Expected(long samples) => Tried[^1].Bytes + (BytesOfSample * (samples - Tried[^1].Samples));

    /// <summary>Down to a number of few digits in the base of two, so that two machines of a kind come to the same.</summary>
    private static int Rounded(int samples)
    {
        var unit = 1;
        while (samples / unit >= 16) unit *= 2;
        return samples / unit * unit;
    }
}
