namespace Distributed.Core.Reduction;

/// <summary>What a frame carries.</summary>
public enum FrameKind : byte
{
    /// <summary>First frame of a link each way: who connects to which job, and the answer.</summary>
    Hello = 1,
    /// <summary>A slice of a node's sum, from a worker to whoever reduces it.</summary>
    Contribution = 2,
    /// <summary>A worker without micro-batches in this round has reached it; no payload.</summary>
    Present = 3,
    /// <summary>A slice of the averaged contribution.</summary>
    Average = 4,
    /// <summary>A piece of a replica's state. <see cref="FrameHeader.Round"/>: rounds applied to it; node: (pieces in all, bytes in all).</summary>
    State = 5,
    /// <summary>A piece of a replica's state that is to be stored; otherwise like <see cref="State"/>.</summary>
    Checkpoint = 6,
    /// <summary>A piece of the parameters that a worker begins with, of generation <see cref="FrameHeader.AnyGeneration"/>; otherwise like <see cref="State"/>.</summary>
    Initial = 7,
    /// <summary>A piece of a data set, of generation <see cref="FrameHeader.AnyGeneration"/>: its manifest, then its files. <see cref="FrameHeader.Round"/>: bytes before it.</summary>
    Data = 8,
}

/// <summary>
/// What stands before every payload on a tensor link: 56 bytes, little-endian. The checksum covers the header and the
/// payload, so a frame that was cut, mixed up or changed is noticed before its numbers are used.
/// </summary>
/// <param name="Kind">What the payload is.</param>
/// <param name="Job">Fingerprint of the job.</param>
/// <param name="Generation">Generation of the plan it is sent under.</param>
/// <param name="Round">Number of the round.</param>
/// <param name="Slice">Slice of the vector, or piece of the state.</param>
/// <param name="Node">The node of the reduction tree that is summed.</param>
/// <param name="Length">Bytes of payload that follow.</param>
public readonly record struct FrameHeader(FrameKind Kind, ulong Job, int Generation, long Round, int Slice, TreeNode Node, int Length)
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 56;

    /// <summary>Bytes a payload may have: the largest slice of a vector, or a piece of a state or data set.</summary>
    public const int MaxLength = VectorLayout.SliceFloats * sizeof(float);

    /// <summary>Of frames that no change of the cluster makes stale.</summary>
    public const int AnyGeneration = int.MaxValue;
}
