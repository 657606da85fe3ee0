namespace Distributed.Shared.Links;

/// <summary>What of two frames that wait for the same link leaves first.</summary>
public enum FramePriority
{
    /// <summary>When nothing else waits: nobody waits for it.</summary>
    Background,
    /// <summary>In its turn.</summary>
    Normal,
    /// <summary>Before the others: somebody stands still until it comes.</summary>
    Urgent,
}
