using Distributed.Core.Reduction;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

public sealed class TensorLinksTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    /// <summary>Through a narrow connection a frame is sent in pieces.</summary>
    public static readonly TheoryData<LinkPath, bool> Connections =
        new() { { LinkPath.Tcp, false }, { LinkPath.SharedMemory, false }, { LinkPath.Tcp, true } };

    private enum Turn
    {
        SendBulk, SendBackground,
        SendUrgent,
        Move,
        Read,
        Drop,
    }

    private static readonly Gen<Turn> _turn = Gen.Frequency(
        (6, Gen.Const(Turn.SendBulk)), (3, Gen.Const(Turn.SendBackground)), (3, Gen.Const(Turn.SendUrgent)), (4, Gen.Const(Turn.Move)),
        (3, Gen.Const(Turn.Read)), (1, Gen.Const(Turn.Drop)));

    private static readonly Gen<int> _length = Gen.Frequency(
        (6, Gen.Int[1, 64]), (1, Gen.Int[1, OutgoingModel.MaxLength]), (1, Gen.Const(OutgoingModel.MaxLength)));

    [Theory]
    [MemberData(nameof(Connections))]
    public async Task Frames_leave_whole_and_in_order_of_priority_while_others_are_sent_and_dropped(LinkPath transport, bool isNarrow)
    {
        using var pair = await (isNarrow ? PipePair.ConnectNarrowAsync() : PipePair.ConnectAsync(transport));
        using var end = new LinksEnd();
        end.Links.BeginHelp();
        var link = end.Connect("there", pair.Here);
        Gen.Select(_turn, _length, Gen.Int[1, 4]).Array[0, 250].Sample(turns =>
        {
            var model = new OutgoingModel(end, link, pair);
            foreach (var (turn, length, number) in turns)
            {
                if (turn == Turn.Move) model.Move();
                else if (turn == Turn.Read) model.Read(number);
                else if (turn == Turn.Drop) model.Drop(number);
                else
                {
                    model.Send(length, number, turn switch
                    {
                        Turn.SendUrgent => FramePriority.Urgent,
                        Turn.SendBulk => FramePriority.Normal,
                        _ => FramePriority.Background,
                    });
                }
            }
            model.Finish();
        }, iter: isNarrow ? 10 : 30, threads: 1);
    }

    [Theory]
    [InlineData(FramePriority.Urgent)]
    [InlineData(FramePriority.Normal)]
    [InlineData(FramePriority.Background)]
    public async Task A_frame_sent_in_part_stays_the_first_one(FramePriority priority)
    {
        using var pair = await PipePair.ConnectNarrowAsync();
        using var end = new LinksEnd();
        end.Links.BeginHelp();
        var model = new OutgoingModel(end, end.Connect("there", pair.Here), pair);
        model.Send(OutgoingModel.MaxLength, generation: 1, priority);
        model.Move();
        Assert.True(pair.Here.IsMidFrame);
        foreach (var other in Enum.GetValues<FramePriority>()) model.Send(5, generation: 1, other);
        model.Drop(2);
        foreach (var other in Enum.GetValues<FramePriority>()) model.Send(6, generation: 2, other);
        // The model checks the order.
        model.Finish();
    }

    [Fact]
    public async Task Background_frames_leave_one_by_one_when_nothing_else_can_be_moved_on_any_link()
    {
        using var toNewcomer = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        using var toOther = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        using var end = new LinksEnd();
        end.Links.BeginHelp();
        var (newcomer, other) = (end.Connect("newcomer", toNewcomer.Here), end.Connect("other", toOther.Here));
        lock (end.Links.Gate)
            foreach (var number in (int[])[1, 2, 3])
                end.Links.Send(newcomer, FrameGen.Numbered(number, 0), default, priority: FramePriority.Background);
        end.Queue(other, 1, 2, 3);
        Assert.Equal((0, 2), Arrived());
        Assert.Equal((0, 1), Arrived());
        Assert.True(toOther.There.TrySend(FrameGen.Numbered(7, 0), default));
        Assert.Equal((0, 0), Arrived());
        Assert.Equal((1, 0), Arrived());
        end.Queue(other, 4);
        Assert.Equal((0, 1), Arrived());
        Assert.Equal((1, 0), Arrived());
        Assert.Equal((1, 0), Arrived());
        Assert.False(end.Move());

        (int Newcomer, int Other) Arrived()
        {
            Assert.True(end.Move());
            return (Count(toNewcomer.There), Count(toOther.There));
        }

        static int Count(IFramePipe pipe)
        {
            var count = 0;
            for (; pipe.TryReceive(out _, out _); count++) pipe.Release();
            return count;
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_push_sends_and_receives_without_help_of_another_thread(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using LinksEnd here = new(), there = new();
        var (forth, back) = (here.Connect("there", pair.Here), there.Connect("here", pair.There));
        // More than fits into the pipe: the rest is sent later.
        here.Queue(forth, Enumerable.Range(0, 500));
        here.Push();
        there.Queue(back, Enumerable.Range(0, 300));
        there.Push();
        here.Until(() => here.Count(forth) == 300);
        there.Until(() => there.Count(back) == 500);
        Assert.Equal(Enumerable.Range(0, 300), here.Numbers(forth));
        Assert.Equal(Enumerable.Range(0, 500), there.Numbers(back));
    }

    [Fact]
    public async Task Frames_sent_before_the_connection_is_open_wait_for_it()
    {
        using var pair = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        using var end = new LinksEnd();
        using var poller = new Poller();
        TensorLink link;
        lock (end.Links.Gate) link = end.Links.Add("there");
        end.Queue(link, Enumerable.Range(0, 100));
        end.Push();
        Assert.False(link.IsOpen);
        lock (end.Links.Gate) end.Links.Open(link, pair.Here);
        Assert.True(link.IsOpen);
        for (var i = 0; i < 100; i++) Assert.Equal(i, poller.Next(pair.There).Header.Slice);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_handler_may_push_its_answer(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        using var poller = new Poller();
        end.Judge = (link, frame) =>
        {
            end.Queue(link, frame.Slice);
            end.Push();
            return true;
        };
        var link = end.Connect("there", pair.Here);
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(pair.There.TrySend(FrameGen.Numbered(2 * i, 0), default));
            Assert.True(pair.There.TrySend(FrameGen.Numbered(2 * i + 1, 0), default));
            if (i % 2 == 0) end.Push();
            Assert.Equal(2 * i, poller.Next(pair.There).Header.Slice);
            Assert.Equal(2 * i + 1, poller.Next(pair.There).Header.Slice);
        }
        Assert.Equal(Enumerable.Range(0, 2000), end.Numbers(link));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Only_bytes_of_contributions_are_counted(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        end.Links.BeginHelp();
        var link = end.Connect("there", pair.Here);
        lock (end.Links.Gate)
        {
            foreach (var kind in Enum.GetValues<FrameKind>())
                end.Links.Send(link, FrameGen.Numbered(0, 100) with { Kind = kind }, new byte[100]);
            end.Links.Send(link, FrameGen.Numbered(0, 11), new byte[11]);
            Assert.Equal(0, end.Links.ContributionBytesSent);
            while (end.Links.Move()) continue;
            Assert.Equal(111, end.Links.ContributionBytesSent);
        }
    }

    [Fact]
    public void A_payload_of_another_length_than_in_the_header_is_refused()
    {
        using var end = new LinksEnd();
        lock (end.Links.Gate)
        {
            var link = end.Links.Add("there");
            Assert.Throws<ArgumentOutOfRangeException>(() => end.Links.Send(link, FrameGen.Numbered(0, 5), new byte[4]));
        }
    }
}
