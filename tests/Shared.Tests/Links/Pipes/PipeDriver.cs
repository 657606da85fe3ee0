using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Drives one end of a pipe: sleeps until there is something to do.</summary>
internal static class PipeDriver
{
    /// <summary>Sleeps until there is a frame or wanted room; fails after a timeout.</summary>
    public static void Sleep(this Poller poller, IFramePipe pipe, bool wantsRoom = false)
    {
        if (!pipe.Arm(wantsRoom)) return;
        poller.Clear();
        var index = poller.Add(pipe.Descriptor, pipe.PollEvents(wantsFrames: true, wantsRoom));
        var ready = poller.Wait(Loopback.Timeout);
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
