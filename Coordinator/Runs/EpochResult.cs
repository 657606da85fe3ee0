namespace Distributed.Coordinator.Runs;

/// <summary>The evaluation at the end of an epoch.</summary>
public sealed record EpochResult
{
    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>The last step that was applied before the evaluation, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Mean over the test samples.</summary>
    public required double TestLoss { get; init; }

    /// <summary>Share of the test samples that were classified right, 0 to 1.</summary>
    public required double TestAccuracy { get; init; }
}
