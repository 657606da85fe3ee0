namespace Distributed.Coordinator.Runs;

/// <summary>A file of a checkpoint, as it was when it was written.</summary>
internal sealed record CheckpointFile
{
    public required string Name { get; init; }

    /// <summary>Its length, from 0.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of its bytes: 64 lower-case hexadecimal digits.</summary>
    public required string Sha256 { get; init; }
}
