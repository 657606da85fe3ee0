namespace Distributed.Coordinator.Draining;

/// <summary>What can come of it when a worker is asked to leave.</summary>
public enum DrainResult
{
    /// <summary>It has left in good order.</summary>
    Left,
    /// <summary>It stays until another worker has the parameters, and leaves then.</summary>
    HeldBack,
    /// <summary>There is no worker of that name.</summary>
    Unknown,
    /// <summary>It is gone, or the job has failed, before it could leave.</summary>
    Failed,
}

/// <summary>What came of it.</summary>
/// <param name="Result">In a word.</param>
/// <param name="Text">In a user's words.</param>
public sealed record DrainOutcome(DrainResult Result, string Text);
