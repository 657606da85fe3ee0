using Distributed.Core.Reduction;

namespace Distributed.Transport.Pipes;

/// <summary>Frames that an end of a pipe wakes up for.</summary>
internal enum WantedFrames
{
    /// <summary>None: the next one is not due yet.</summary>
    None,

    /// <summary>So many that the other end would soon have to wait: this end has better things to do than to wake up for each.</summary>
    Many,

    Any,
}

/// <summary>
/// One end of a connection that carries frames both ways. No call waits: whoever has nothing to do arms the pipes and polls
/// their descriptors (<see cref="Poller"/>). One thread at a time, under a lock of the caller's; only
/// <see cref="Descriptor"/> may be polled outside of it. When the other end is gone, every call may throw a
/// <see cref="LinkException"/> that names it; frames of it that are whole are received before that.
/// </summary>
internal interface IFramePipe : IDisposable
{
    /// <summary>The other end, for people: its address, and how it is reached if not by TCP.</summary>
    string Peer { get; }

    /// <summary>Whether part of a frame has left, so that only the rest of it can be sent next.</summary>
    bool IsMidFrame { get; }

    /// <param name="header">What stands before the payload.</param>
    /// <param name="payload">As many bytes as the header says; not to be changed before the frame has been taken over.</param>
    /// <returns>True: the frame has been taken over whole, and the payload's memory is free. False: no room now; call again with the same.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The payload has another length than the header says, or more than <see cref="FrameHeader.MaxLength"/>.</exception>
    /// <exception cref="InvalidOperationException">Another frame is on its way (<see cref="IsMidFrame"/>).</exception>
    /// <exception cref="LinkException">The other end is gone.</exception>
    bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload);

    /// <summary>The next frame that is whole and checked: the same one until it is released.</summary>
    /// <param name="header">What stands before the payload.</param>
    /// <param name="payload">Lies in the pipe's memory, until <see cref="Release"/>.</param>
    /// <exception cref="LinkException">The other end is gone, or has sent what is no frame.</exception>
    bool TryReceive(out FrameHeader header, out ReadOnlySpan<byte> payload);

    /// <summary>Lets go of the frame received.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    void Release();

    /// <summary>Asks the other end to make <see cref="Descriptor"/> readable when there is something to do.</summary>
    /// <param name="wantsRoom">Also when there is room to send.</param>
    /// <param name="frames">Which frames are something to do.</param>
    /// <returns>False: there is something to do now (a frame to receive or to release, or wanted room), so sleeping would be wrong; not armed.</returns>
    bool Arm(bool wantsRoom, WantedFrames frames = WantedFrames.Any);

    /// <summary>Takes back <see cref="Arm"/>: this end is awake.</summary>
    void Disarm();

    /// <summary>The file descriptor to poll; -1, which poll(2) passes over, once the other end is known to be gone.</summary>
    int Descriptor { get; }

    /// <summary>The events of poll(2) to ask for while asleep.</summary>
    short PollEvents(bool wantsFrames, bool wantsRoom);

    /// <summary>poll(2) has reported these events.</summary>
    /// <exception cref="LinkException">The other end is gone, and nothing of it is left to receive.</exception>
    void Polled(short revents);
}
