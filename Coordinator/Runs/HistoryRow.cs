namespace Distributed.Coordinator.Runs;

/// <summary>What one step did.</summary>
public sealed record HistoryRow
{
    /// <summary>From 1, over the whole run.</summary>
    public required long Step { get; init; }

    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>Mean over the samples of the step's global batch, before the step is applied.</summary>
    public required double Loss { get; init; }

    /// <summary>The rate that the step was applied with.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Euclidean norm of the mean gradient.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Samples of the step over the time it took.</summary>
    public required double SamplesPerSecond { get; init; }
}
