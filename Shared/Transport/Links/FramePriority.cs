namespace Distributed.Transport.Links;

/// <summary>What of two frames that wait leaves first.</summary>
public enum FramePriority
{
    /// <summary>When nothing else can be moved, on whatever link of the process: training does not wait for it.</summary>
    Background,
    /// <summary>In its turn.</summary>
    Normal,
    /// <summary>Before the others of its link: somebody stands still until it comes.</summary>
    Urgent,
}
