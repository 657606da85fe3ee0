namespace Distributed.Core.Reduction;

/// <summary>The content of a frame.</summary>
public enum FrameKind : byte
{
    /// <summary>First frame of a link in each direction: the greeting of the connecting process, and the answer.</summary>
    Hello = 1,
    /// <summary>A slice of a node's sum, from a worker to the owner of the slice.</summary>
    Contribution = 2,
    /// <summary>A worker without micro-batches has reached the round; no payload.</summary>
    Present = 3,
    /// <summary>A slice of the average, from its owner to every worker.</summary>
    Average = 4,
    /// <summary>A piece of a replica's state. <see cref="FrameHeader.Round"/>: rounds applied to it; node: (number of pieces, bytes in
    /// all).</summary>
    State = 5,
    /// <summary>A piece of a replica's state for a checkpoint; otherwise like <see cref="State"/>.</summary>
    Checkpoint = 6,
    /// <summary>A piece of the job's initial parameters, of <see cref="FrameHeader.AnyGeneration"/>; otherwise like
    /// <see cref="State"/>.</summary>
    Initial = 7,
    /// <summary>A piece of a data set (its manifest, then its files), of <see cref="FrameHeader.AnyGeneration"/>.
    /// <see cref="FrameHeader.Round"/>: bytes before it.</summary>
    Data = 8,
}

/// <summary>
/// The header before every payload on a tensor link: 56 bytes, little-endian. A checksum covers header and payload, so that a truncated,
/// mixed-up or changed frame is rejected before its numbers are used.
/// </summary>
/// <param name="Kind">Content of the payload.</param>
/// <param name="Job">Fingerprint of the job.</param>
/// <param name="Generation">Generation of the sender's plan.</param>
/// <param name="Round">Number of the round.</param>
/// <param name="Slice">Slice of the vector, or piece of the state.</param>
/// <param name="Node">The node of the reduction tree whose sum this is.</param>
/// <param name="Length">Bytes of payload: 0..<see cref="MaxLength"/>.</param>
public readonly record struct FrameHeader(FrameKind Kind, ulong Job, int Generation, long Round, int Slice, TreeNode Node, int Length)
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 56;

    /// <summary>Largest payload in bytes: a whole slice of a vector.</summary>
    public const int MaxLength = VectorLayout.SliceFloats * sizeof(float);

    /// <summary>Generation of frames that never become stale.</summary>
    public const int AnyGeneration = int.MaxValue;
}
