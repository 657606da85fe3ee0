namespace Distributed.Coordinator.Cluster;

/// <summary>What can come of it when a worker is asked to leave.</summary>
internal enum DrainResult
{
    /// <summary>It has left in good order.</summary>
    Left,
    /// <summary>It stays until another worker has the parameters, and leaves then.</summary>
    HeldBack,
    Unknown,
    /// <summary>It is gone, or the job has failed, before it could leave.</summary>
    Failed,
}

internal sealed record DrainOutcome(DrainResult Result, string Text);
