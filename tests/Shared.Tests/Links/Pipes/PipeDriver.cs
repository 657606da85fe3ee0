using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>What whoever drives a pipe does over and over: sleep until it has something to do.</summary>
internal static class PipeDriver
{
    /// <summary>Sleeps until there is a frame or wanted room; fails where that takes too long.</summary>
    public static void Sleep(this Poller poller, IFramePipe pipe, bool wantsRoom = false)
    {
        if (!pipe.Arm(wantsRoom)) return;
        poller.Clear();
        var index = poller.Add(pipe.Descriptor, pipe.PollEvents(wantsFrames: true, wantsRoom));
        var ready = poller.Wait(Loopback.Patience);
        pipe.Disarm();
        if (ready != 1) Assert.Fail($"nothing woke the end of {pipe.Peer}");
        pipe.Polled(poller.Reported(index));
    }

    /// <summary>The next frame, copied and released.</summary>
    public static (FrameHeader Header, byte[] Payload) Next(this Poller poller, IFramePipe pipe)
    {
        while (true)
        {
            if (pipe.TryReceive(out var header, out var payload))
            {
                var copy = payload.ToArray();
                pipe.Release();
                return (header, copy);
            }
            poller.Sleep(pipe);
        }
    }

    /// <summary>Receives until the link fails.</summary>
    /// <returns>How, and the frames before that.</returns>
    public static (LinkException Error, List<(FrameHeader Header, byte[] Payload)> Frames) UntilBroken(this IFramePipe pipe)
    {
        using var poller = new Poller();
        var frames = new List<(FrameHeader Header, byte[] Payload)>();
        try
        {
            while (true) frames.Add(poller.Next(pipe));
        }
        catch (LinkException error)
        {
            return (error, frames);
        }
    }
}
