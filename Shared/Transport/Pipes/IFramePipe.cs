using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

/// <summary>The frames for which an end of a pipe wakes up.</summary>
internal enum WantedFrames
{
    None,

    /// <summary>So many that the other end would soon have to wait: this end computes and should not wake up for each.</summary>
    Many,

    Any,
}

// One end of a connection for frames. No call waits: a thread without work arms the pipes and polls their descriptors
// (Poller). Used by one thread at a time, under a lock of the caller; only Descriptor may be polled outside of
// it. When the other end is gone, every call may throw a LinkException that names it, after all whole frames were received.
internal interface IFramePipe : IDisposable
{
    /// <summary>Address of the other end, and the kind of the pipe if it is not TCP.</summary>
    string Peer { get; }

    /// <summary>Whether a part of a frame was sent, so that the rest of it must be sent next.</summary>
    bool IsMidFrame { get; }

    /// <param name="payload">Must not change before the frame is sent.</param>
    /// <returns>True once the frame is sent and the payload's memory is free. False if there is no room now; call again with the
    /// same.</returns>
    bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload);

    /// <summary>Returns the next whole and verified frame: the same one until it is released.</summary>
    /// <param name="payload">In the pipe's memory, valid until <see cref="Release"/>.</param>
    bool TryReceive(out FrameHeader header, out ReadOnlySpan<byte> payload);

    void Release();

    /// <summary>Asks the other end to make <see cref="Descriptor"/> readable when there is a wanted frame or wanted room.</summary>
    /// <returns>False if there is already, so that this end must not sleep; the pipe is not armed then.</returns>
    bool Arm(bool wantsRoom, WantedFrames frames = WantedFrames.Any);

    /// <summary>Reverts <see cref="Arm"/>: this end is awake.</summary>
    void Disarm();

    /// <summary>The file descriptor to poll; -1, which poll(2) ignores, once the other end is gone.</summary>
    int Descriptor { get; }

    /// <summary>The events of poll(2) to wait for.</summary>
    short PollEvents(bool wantsFrames, bool wantsRoom);

    /// <summary>Handles events that poll(2) has reported.</summary>
    void Polled(short revents);
}
