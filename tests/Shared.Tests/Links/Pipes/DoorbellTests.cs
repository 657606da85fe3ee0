using System.Runtime.ExceptionServices;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Two threads sleep whenever they have nothing to do: a lost wake-up would leave both asleep.</summary>
public sealed class DoorbellTests
{
    private const int HandOvers = 10_000;

    [Theory]
    [MemberData(nameof(FramePipeTests.Transports), MemberType = typeof(FramePipeTests))]
    public async Task No_wake_up_is_lost_over_many_frames(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        ExceptionDispatchInfo? failure = null;
        var other = new Thread(() =>
        {
            try
            {
                Play(pair.There, begins: false);
            }
            catch (Exception error)
            {
                failure = ExceptionDispatchInfo.Capture(error);
            }
        });
        other.Start();
        Play(pair.Here, begins: true);
        Assert.True(other.Join(Loopback.Timeout));
        failure?.Throw();
    }

    [Fact]
    public async Task A_busy_end_is_woken_once_half_of_the_ring_is_unread()
    {
        using var pair = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        using var poller = new Poller();
        Assert.True(pair.There.Arm(wantsRoom: false, WantedFrames.Many));
        var (sent, sentAtBell) = (0, 0);
        while (pair.Here.TrySend(FrameGen.Numbered(sent, 0), default))
        {
            sent++;
            if (sentAtBell == 0 && Bells(poller, pair.There) == 1) sentAtBell = sent;
        }
        Assert.Equal(sent / 2, sentAtBell);
        Assert.False(pair.There.Arm(wantsRoom: false, WantedFrames.Many));
    }

    [Fact]
    public async Task An_end_that_is_no_longer_busy_wakes_up_for_a_single_frame()
    {
        using var pair = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        Assert.True(pair.There.Arm(wantsRoom: false, WantedFrames.Many));
        Assert.True(pair.Here.TrySend(FrameGen.Numbered(0, 0), default));
        Assert.False(pair.There.Arm(wantsRoom: false));
    }

    [Theory]
    [MemberData(nameof(FramePipeTests.Transports), MemberType = typeof(FramePipeTests))]
    public async Task An_end_whose_next_frame_is_early_sleeps(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        Assert.True(pair.Here.TrySend(FrameGen.Numbered(0, 0), default));
        while (!pair.There.TryReceive(out _, out _)) poller.Sleep(pair.There);
        Assert.False(pair.There.Arm(wantsRoom: false));
        Assert.True(pair.There.Arm(wantsRoom: false, WantedFrames.None));
    }

    private static int Bells(Poller poller, IFramePipe pipe)
    {
        poller.Clear();
        poller.Add(pipe.Descriptor, pipe.PollEvents(wantsFrames: true, wantsRoom: false));
        return poller.Wait(TimeSpan.Zero);
    }

    /// <summary>The ends alternate in sending bursts, some of them longer than the ring; both know the lengths.</summary>
    private static void Play(IFramePipe pipe, bool begins)
    {
        using var poller = new Poller();
        var bursts = new Random(5);
        var payload = new byte[700];
        for (var turn = 0; turn < HandOvers; turn++)
        {
            var burst = bursts.Next(8) == 0 ? bursts.Next(1, 50) : 1;
            var length = bursts.Next(payload.Length);
            for (var i = 0; i < burst; i++)
            {
                if (turn % 2 == 0 == begins)
                    while (!pipe.TrySend(FrameGen.Numbered(i, length), payload.AsSpan(0, length))) poller.Sleep(pipe, wantsRoom: true);
                else
                    Assert.Equal(FrameGen.Numbered(i, length), Receive(poller, pipe));
            }
        }
    }

    private static FrameHeader Receive(Poller poller, IFramePipe pipe)
    {
        FrameHeader header;
        while (!pipe.TryReceive(out header, out _)) poller.Sleep(pipe);
        pipe.Release();
        return header;
    }
}
