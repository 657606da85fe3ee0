using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class PollerTests
{
    [Fact]
    public void A_wake_up_before_the_wait_ends_it_once()
    {
        using var poller = new Poller();
        poller.Wake();
        poller.Wake();
        Assert.Equal(0, poller.Wait(null));
        Assert.Equal(0, poller.Wait(TimeSpan.Zero));
    }

    [Fact]
    public void All_wake_ups_of_another_thread_arrive()
    {
        using Poller here = new(), there = new();
        var other = new Thread(() =>
        {
            for (var i = 0; i < 5000; i++)
            {
                there.Wait(Loopback.Timeout);
                here.Wake();
            }
        });
        other.Start();
        for (var i = 0; i < 5000; i++)
        {
            there.Wake();
            Assert.Equal(0, here.Wait(Loopback.Timeout));
        }
        Assert.True(other.Join(Loopback.Timeout));
    }

    [Fact]
    public async Task Any_number_of_descriptors_is_polled_and_reported_separately()
    {
        var pairs = new List<PipePair>();
        for (var i = 0; i < 40; i++) pairs.Add(await PipePair.ConnectAsync(LinkPath.Tcp));
        using var poller = new Poller();
        Gen.Bool.Array[pairs.Count].Sample(senders =>
        {
            poller.Clear();
            foreach (var (pair, i) in pairs.Select((pair, i) => (pair, i)))
            {
                if (senders[i]) Assert.True(pair.Here.TrySend(FrameGen.Numbered(i, 0), default));
                Assert.Equal(i, poller.Add(pair.There.Descriptor, pair.There.PollEvents(wantsFrames: true, wantsRoom: false)));
            }
            Assert.Equal(senders.Count(s => s), poller.Wait(TimeSpan.Zero));
            Assert.Equal(senders, pairs.Select((_, i) => poller.Reported(i) != 0));
            foreach (var pair in pairs)
                if (pair.There.TryReceive(out _, out _)) pair.There.Release();
        }, iter: 50, threads: 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => poller.Reported(pairs.Count));
        Assert.Throws<ArgumentOutOfRangeException>(() => poller.Reported(-1));
        pairs.ForEach(pair => pair.Dispose());
    }

    [Fact]
    public void A_disposed_poller_throws()
    {
        var poller = new Poller();
        poller.Dispose();
        poller.Dispose();
        Assert.Throws<ObjectDisposedException>(() => poller.Wait(null));
        Assert.Throws<ObjectDisposedException>(() => poller.Add(0, 0));
        Assert.Throws<ObjectDisposedException>(poller.Wake);
    }
}
