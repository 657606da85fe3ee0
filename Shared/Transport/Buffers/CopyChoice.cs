namespace Distributed.Transport.Buffers;

/// <summary>
/// How to copy into memory that another processor has read before. Where both share a cache, an ordinary copy is the best: the
/// other end finds it there. Where they do not, an ordinary store first takes each line back from the other's cache, which
/// lasts several times as long as a store past the caches. Which of it is so changes while a process runs: the system moves
/// threads, and the host of a virtual machine its processors. So both ways are timed now and then.
/// </summary>
internal struct CopyChoice
{
    /// <summary>Every so many copies one is made the other way.</summary>
    public const int Trial = 64;

    /// <summary>As many times as long an ordinary copy takes where no cache is shared, at the least.</summary>
    private const int MinSlowdown = 2;

    /// <summary>Whoever is interrupted takes long without any meaning: what was slower counts by this part.</summary>
    private const double OutlierWeight = 0.125;

    private double _ordinary;
    private double _streaming;
    private int _copies;

    public readonly bool IsStreaming => _ordinary > MinSlowdown * _streaming;

    /// <summary>Whether the next copy should go past the caches.</summary>
    public bool Next() => IsStreaming != (_copies++ % Trial == 0);

    /// <param name="isStreaming">As <see cref="Next"/> said.</param>
    /// <param name="timePerByte">In any unit, always the same.</param>
    public void Note(bool isStreaming, double timePerByte)
    {
        ref var known = ref isStreaming ? ref _streaming : ref _ordinary;
        known = known == 0 || timePerByte < known ? timePerByte : known + OutlierWeight * (timePerByte - known);
    }
}
