using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Observers;

/// <summary>What a page is told: on its first message all there is, afterwards what has changed. What is null has not.</summary>
internal sealed record LiveMessage
{
    /// <summary>What the run is; in the first message alone, which replaces all that the page had.</summary>
    public LiveFacts? Run { get; init; }

    /// <summary>Where it stands.</summary>
    public LiveStatus? Status { get; init; }

    public IReadOnlyList<LiveWorker>? Workers { get; init; }

    /// <summary>Workers beyond those, where there are very many.</summary>
    public int MoreWorkers { get; init; }

    public IReadOnlyList<LiveEvent>? Events { get; init; }

    public CurvePart? Train { get; init; }

    public CurvePart? Test { get; init; }

    public CurvePart? Metric { get; init; }

    /// <summary>Samples per second over steps.</summary>
    public CurvePart? Speed { get; init; }

    public IReadOnlyList<LiveFile>? Files { get; init; }
}

/// <summary>What does not change while a run goes on.</summary>
/// <param name="About">The job, in a few words.</param>
/// <param name="Epochs">Epochs of the job; 0 where it is only evaluated.</param>
/// <param name="Metric">What is measured on the test set.</param>
/// <param name="IsShare">Whether that is read as a percentage.</param>
internal sealed record LiveFacts(string Name, string About, int Epochs, string Metric, bool IsShare);

/// <summary>How a run goes, or has ended.</summary>
public enum LiveOutcome
{
    /// <summary>It goes on.</summary>
    Running,
    /// <summary>It is done.</summary>
    Finished,
    /// <summary>It could not go on.</summary>
    Failed,
    /// <summary>It is neither done nor going on.</summary>
    Unfinished,
}

internal sealed record LiveStatus
{
    public required LiveOutcome Outcome { get; init; }

    /// <summary>Why it could not go on.</summary>
    public string? Reason { get; init; }

    public required string Phase { get; init; }

    /// <summary>The current epoch, from 1; 0 before the first.</summary>
    public required int Epoch { get; init; }

    public required long Step { get; init; }

    /// <summary>Steps of the job; 0 while that is not known.</summary>
    public required long Steps { get; init; }

    /// <summary>Steps of an epoch; null while that is not known.</summary>
    public long? StepsPerEpoch { get; init; }

    /// <summary>Whether there is a test set, as far as is known.</summary>
    public required bool IsTested { get; init; }

    /// <summary>Loss of the last step; null before the first, and where it is no number.</summary>
    public double? Loss { get; init; }

    /// <summary>The step from which on the loss is no number; null while it is one.</summary>
    public long? DivergedAt { get; init; }

    /// <summary>The metric at the last evaluation; null before the first, and where it is no number.</summary>
    public double? Metric { get; init; }

    public required double SamplesPerSecond { get; init; }

    /// <summary>Seconds to the last step; null while that cannot be told.</summary>
    public double? TimeLeft { get; init; }

    public required int Workers { get; init; }

    /// <summary>The generation; 0 before the first.</summary>
    public required int Generation { get; init; }
}

internal sealed record LiveFile(string Name, long Bytes);
