using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>Early frames stay in their pipe, with all frames behind them.</summary>
public sealed class EarlyFramesTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task An_early_frame_is_offered_again_before_later_ones_when_the_owner_pushes(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        var link = end.Connect("there", pair.Here);
        var (offered, due, sent) = (0, 0, 0);
        end.Judge = (_, frame) =>
        {
            // The early frame itself is offered again.
            Assert.Equal(end.Count(link), frame.Slice);
            offered++;
            return frame.Slice < due;
        };
        Gen.Select(Gen.Int[0, 8], Gen.Int[0, 8]).Array[1, 30].Sample(turns =>
        {
            foreach (var (more, later) in turns)
            {
                for (var i = 0; i < more; i++)
                    if (pair.There.TrySend(FrameGen.Numbered(sent, 3), FrameGen.Payload(3, sent))) sent++;
                var first = end.Count(link);
                lock (end.Links.Gate)
                {
                    due = Math.Max(due, first + later);
                    end.Links.Push();
                }
                end.Until(() => end.Count(link) >= Math.Min(due, sent));
            }
        }, iter: 50, threads: 1);
        lock (end.Links.Gate)
        {
            due = sent;
            end.Links.Push();
        }
        end.Until(() => end.Count(link) == sent);
        Assert.True(offered > sent);
        Assert.Null(end.Reason(link));
        Assert.All(end.Received(link), (frame, i) => Assert.Equal(FrameGen.Payload(3, i), frame.Payload));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task An_early_frame_is_handled_once_another_links_frame_makes_it_due(LinkPath transport)
    {
        using PipePair early = await PipePair.ConnectAsync(transport), late = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        var (first, second) = (end.Connect("early", early.Here), end.Connect("late", late.Here));
        var offered = 0;
        end.Judge = (link, frame) =>
        {
            if (link == first) Interlocked.Increment(ref offered);
            return link == second || frame.Slice < end.Count(second);
        };
        for (var i = 0; i < 200; i++)
        {
            var before = Volatile.Read(ref offered);
            Assert.True(early.There.TrySend(FrameGen.Numbered(i, 0), default));
            end.Until(() => Volatile.Read(ref offered) > before);
            Assert.True(late.There.TrySend(FrameGen.Numbered(i, 0), default));
            end.Until(() => end.Count(first) > i);
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task While_a_frame_is_early_its_link_sends_and_other_links_receive(LinkPath transport)
    {
        using PipePair early = await PipePair.ConnectAsync(transport), other = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        using var poller = new Poller();
        var (held, free) = (end.Connect("early", early.Here), end.Connect("other", other.Here));
        var (offered, isDue) = (0, false);
        end.Judge = (link, _) =>
        {
            if (link == held) Interlocked.Increment(ref offered);
            return link != held || Volatile.Read(ref isDue);
        };
        Assert.True(early.There.TrySend(FrameGen.Numbered(0, 0), default));
        end.Until(() => Volatile.Read(ref offered) > 0);
        // More than fits into the pipe: the rest is sent later.
        end.Queue(held, Enumerable.Range(0, 200));
        end.Push();
        for (var i = 0; i < 200; i++) Assert.Equal(i, poller.Next(early.There).Header.Slice);
        for (var i = 0; i < 50; i++)
        {
            Assert.True(other.There.TrySend(FrameGen.Numbered(i, 0), default));
            end.Until(() => end.Count(free) > i);
        }
        Assert.Empty(end.Received(held));
        Volatile.Write(ref isDue, true);
        end.Push();
        end.Until(() => end.Count(held) == 1);
    }
}
