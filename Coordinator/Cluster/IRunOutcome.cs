namespace Distributed.Coordinator.Cluster;

/// <summary>What a run has come to, ready to be written.</summary>
internal interface IRunOutcome
{
    /// <summary>Writes all of it, on the disk when this returns. On any thread; again where it has failed, until it succeeds.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    void Write();

    /// <summary>Tells people, once it is written and the workers have left.</summary>
    void Tell();
}
