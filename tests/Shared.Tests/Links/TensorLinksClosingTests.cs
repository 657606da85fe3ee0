using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Shared.Tests.Metrics;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>How links end, and that no other link ends with them.</summary>
public sealed class TensorLinksClosingTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    [Fact]
    public async Task Only_a_link_with_too_many_queued_frames_is_closed()
    {
        using var pair = await PipePair.ConnectAsync(LinkPath.SharedMemory);
        using var end = new LinksEnd();
        end.Links.BeginHelp();
        var buffers = new PooledBuffers(new(100, 1));
        using var pool = buffers.Pool;
        var buffer = buffers.Rent();
        var good = end.Connect("good", pair.Here);
        lock (end.Links.Gate)
        {
            var slow = end.Links.Add("slow");
            for (var i = 0; i < TensorLinks.MaxQueuedFrames; i++)
                end.Links.Send(
                    slow, FrameGen.Numbered(i, 8), buffer.Memory[..8], buffer, i % 2 == 0 ? FramePriority.Urgent : FramePriority.Normal);
            Assert.Null(end.Reason(slow));
            end.Links.Send(slow, FrameGen.Numbered(0, 8), buffer.Memory[..8], buffer);
            Assert.Equal("more than 65536 frames wait for slow", end.Reason(slow));
            Assert.True(slow.IsClosed);
        }
        buffer.Release();
        buffers.AssertAllReturned();
        AssertWorks(end, good, pair);
    }

    [Theory]
    [InlineData(true, "bad sent nonsense")]
    [InlineData(false, "a frame from bad could not be handled: bad sent nonsense")]
    public async Task A_frame_that_cannot_be_handled_closes_its_link_only(bool isViolation, string reason)
    {
        foreach (var transport in Enum.GetValues<LinkPath>())
        {
            using PipePair toBad = await PipePair.ConnectAsync(transport), toGood = await PipePair.ConnectAsync(transport);
            using var end = new LinksEnd();
            var (bad, good) = (end.Connect("bad", toBad.Here), end.Connect("good", toGood.Here));
            end.Judge = (link, frame) => link != bad || frame.Slice < 2 ? true : throw Failure();
            for (var i = 0; i < 3; i++) Assert.True(toBad.There.TrySend(FrameGen.Numbered(i, 0), default));
            // By now the other end may have closed the link.
            if (Record.Exception(() => toBad.There.TrySend(FrameGen.Numbered(3, 0), default)) is { } error)
                Assert.IsType<LinkException>(error);
            end.Until(() => end.Reason(bad) is not null);
            Assert.Equal(reason, end.Reason(bad));
            Assert.Equal([0, 1], end.Numbers(bad));
            Assert.True(toBad.There.UntilBroken().Error.IsDisconnect);
            Assert.Null(end.Reason(good));
            AssertWorks(end, good, toGood);
        }

        Exception Failure() => isViolation ? new LinkException("bad sent nonsense") : new InvalidOperationException("bad sent nonsense");
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Frames_received_before_the_other_end_closed_are_handled_before_the_disconnect(LinkPath transport)
    {
        foreach (var isPushed in (bool[])[false, true])
        {
            using var pair = await PipePair.ConnectAsync(transport);
            using var end = new LinksEnd();
            if (isPushed) end.Links.BeginHelp();
            var link = end.Connect("there", pair.Here);
            for (var i = 0; i < 10; i++) Assert.True(pair.There.TrySend(FrameGen.Numbered(i, 0), default));
            pair.There.Dispose();
            while (isPushed && end.Reason(link) is null) end.Push();
            end.Until(() => end.Reason(link) is not null);
            Assert.Equal(Enumerable.Range(0, 10), end.Numbers(link));
            Assert.EndsWith("closed the connection", end.Reason(link), StringComparison.Ordinal);
            Assert.True(link.IsClosed);
            Assert.False(link.IsOpen);
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task The_end_of_a_silent_connection_is_detected_while_the_owner_computes(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        var link = end.Connect("there", pair.Here);
        end.Links.BeginHelp();
        end.Links.EndHelp(isBusy: true);
        pair.There.Dispose();
        end.Until(() => end.Reason(link) is not null);
    }

    [Fact]
    public async Task Frames_sent_over_a_closed_link_are_dropped()
    {
        var buffers = new PooledBuffers(new(100, 1));
        using var pool = buffers.Pool;
        using var end = new LinksEnd();
        foreach (var isTold in (bool[])[false, true])
        {
            using PipePair pair = await PipePair.ConnectAsync(LinkPath.Tcp), late = await PipePair.ConnectAsync(LinkPath.Tcp);
            var link = end.Connect("there", pair.Here);
            lock (end.Links.Gate)
            {
                SendBuffer(end, link, buffers);
                if (isTold) end.Links.Close(link, "no more");
                else end.Links.Remove(link);
                SendBuffer(end, link, buffers);
                buffers.AssertAllReturned();
                end.Links.Close(link, "once more");
                end.Links.Open(link, late.Here);
            }
            Assert.Equal(isTold ? "no more" : null, end.Reason(link));
            Assert.False(link.IsOpen);
            Assert.Empty(pair.There.UntilBroken().Frames);
            Assert.Empty(late.There.UntilBroken().Frames);
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Links_can_be_disposed_while_threads_send_push_and_help(LinkPath transport)
    {
        for (var round = 0; round < 20; round++)
        {
            using PipePair pair = await PipePair.ConnectAsync(transport), late = await PipePair.ConnectAsync(transport);
            var buffers = new PooledBuffers(new(100, 1));
            using var pool = buffers.Pool;
            var end = new LinksEnd();
            var link = end.Connect("there", pair.Here);
            var reading = Task.Factory.StartNew(pair.There.UntilBroken, TaskCreationOptions.LongRunning);
            var (sent, isOver) = (0, false);
            var senders = Enumerable.Range(0, 3).Select(number => Task.Factory.StartNew(
                () =>
                {
                    for (var after = 0; after < 3; after += Volatile.Read(ref isOver) ? 1 : 0)
                    {
                        if (number == 0) end.Links.BeginHelp();
                        lock (end.Links.Gate)
                        {
                            // A longer queue would close the link.
                            if (Volatile.Read(ref sent) < 1000 || Volatile.Read(ref isOver)) SendBuffer(end, link, buffers);
                            if (number == 0) end.Links.Move();
                            else end.Links.Push();
                        }
                        if (number == 0) end.Links.EndHelp(isBusy: sent % 2 == 0);
                        Interlocked.Increment(ref sent);
                    }
                },
                TaskCreationOptions.LongRunning)).ToArray();
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref sent) > 10 * round || senders.Any(s => s.IsFaulted), Loopback.Timeout));
            end.Dispose();
            end.Dispose();
            Volatile.Write(ref isOver, true);
            await Task.WhenAll(senders).Soon();
            buffers.AssertAllReturned();
            Assert.Null(end.Reason(link));
            Assert.True((await reading.Soon()).Error.IsDisconnect);
            Assert.False(end.Connect("late", late.Here).IsOpen);
            Assert.True(late.There.UntilBroken().Error.IsDisconnect);
        }
    }

    [Fact]
    public async Task Bytes_and_violations_are_counted()
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        using var pair = await PipePair.ConnectAsync(LinkPath.Tcp);
        using var end = new LinksEnd(new TrainingMetrics(registry).Links);
        end.Links.BeginHelp();
        var link = end.Connect("there", pair.Here);
        end.Judge = (_, frame) => frame.Slice == 0 ? true : throw new LinkException("there sent nonsense");
        end.Queue(link, 0, 0);
        Assert.True(pair.There.TrySend(FrameGen.Numbered(0, 4), new byte[4]));
        Assert.True(pair.There.TrySend(FrameGen.Numbered(1, 4), new byte[4]));
        while (end.Reason(link) is null) end.Move();
        var page = await Exposition.Of(registry);
        Assert.Equal(2 * FrameHeader.Size, page["distributed_link_bytes_total{direction=\"sent\"}"]);
        Assert.Equal(FrameHeader.Size + 4, page["distributed_link_bytes_total{direction=\"received\"}"]);
        Assert.Equal(1, page["distributed_refused_frames_total{reason=\"violation\"}"]);
    }

    private static void SendBuffer(LinksEnd end, TensorLink link, PooledBuffers buffers)
    {
        var buffer = buffers.Rent();
        end.Links.Send(link, FrameGen.Numbered(0, 400), buffer.Memory[..400], buffer);
        buffer.Release();
    }

    /// <summary>Frames go both ways.</summary>
    private static void AssertWorks(LinksEnd end, TensorLink link, PipePair pair)
    {
        using var poller = new Poller();
        end.Links.BeginHelp();
        end.Links.EndHelp(isBusy: false);
        end.Queue(link, 17);
        end.Push();
        Assert.Equal(17, poller.Next(pair.There).Header.Slice);
        Assert.True(pair.There.TrySend(FrameGen.Numbered(18, 0), default));
        end.Until(() => end.Count(link) == 1);
        Assert.Equal([18], end.Numbers(link));
    }
}
