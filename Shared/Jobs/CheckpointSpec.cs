namespace Distributed.Jobs;

/// <summary>When the state of a run is saved beside the training. It does not change the result.</summary>
internal sealed record CheckpointSpec
{
    /// <summary>Steps between two checkpoints; 0 for none.</summary>
    public long EverySteps { get; init; } = 500;

    /// <summary>How many of the newest are kept, beside the one that did best on the test set; at least 1.</summary>
    public int Keep { get; init; } = 3;
}
