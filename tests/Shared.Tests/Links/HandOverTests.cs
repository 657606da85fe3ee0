using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>Frames are moved by the links' own thread and a helper in turn; no wake-up may be lost between them.</summary>
public sealed class HandOverTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    /// <summary>Frames that may wait in a pipe while its owner is busy: less than half of the shared memory's slots.</summary>
    private const int MayWait = 7;

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task No_wake_up_is_lost_however_often_a_helper_comes_and_goes(LinkPath transport)
    {
        using var end = new LinksEnd();
        using PipePair one = await PipePair.ConnectAsync(transport), two = await PipePair.ConnectAsync(transport);
        Peer[] peers = [new(end, one), new(end, two)];
        var turns = new Random(1);
        for (var turn = 0; turn < 4000; turn++)
        {
            var isBusy = turns.Next(2) == 0;
            end.Links.BeginHelp();
            foreach (var peer in peers) peer.Ask(turns);
            for (var moves = turns.Next(4); moves > 0; moves--) end.Move();
            if (turns.Next(4) == 0) end.Push();
            end.Links.EndHelp(isBusy);
            if (turns.Next(4) == 0)
            {
                // As an owner that waits for nothing.
                peers[turns.Next(2)].Ask(turns);
                end.Push();
            }
            // Only the links' own thread moves frames now.
            end.Until(() => Array.TrueForAll(peers, peer => peer.Missing <= (isBusy ? MayWait : 0)));
            if (isBusy) LookAfter(end, peers, turns.Next(4));
        }
        end.Links.BeginHelp();
        end.Links.EndHelp(isBusy: false);
        end.Until(() => Array.TrueForAll(peers, peer => peer.Missing == 0));
        Assert.All(peers, peer => peer.AssertInOrder());
        end.Dispose();
        foreach (var peer in peers) await peer.Answering.Soon();
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Only_the_helping_thread_moves_frames(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var end = new LinksEnd();
        var link = end.Connect("there", pair.Here);
        var helper = Environment.CurrentManagedThreadId;
        end.Links.BeginHelp();
        end.Judge = (_, _) => Environment.CurrentManagedThreadId == helper ? true : throw new LinkException("moved by another thread");
        for (var i = 0; i < 1000; i++)
        {
            Assert.True(pair.There.TrySend(FrameGen.Numbered(i, 0), default));
            Assert.True(SpinWait.SpinUntil(() => end.Move() || end.Reason(link) is not null, Loopback.Timeout));
        }
        Assert.Null(end.Reason(link));
        Assert.Equal(Enumerable.Range(0, 1000), end.Numbers(link));
    }

    /// <summary>Four ways to end the wait of a busy owner.</summary>
    private static void LookAfter(LinksEnd end, Peer[] peers, int how)
    {
        if (how == 0) return;
        if (how == 1)
        {
            end.Links.BeginHelp();
            end.Links.EndHelp(isBusy: false);
            end.Until(IsComplete);
            return;
        }
        if (how == 2) end.Links.BeginHelp();
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                if (how == 2) end.Move();
                else end.Push();
                return IsComplete();
            },
            Loopback.Timeout));
        if (how == 2) end.Links.EndHelp(isBusy: true);

        bool IsComplete() => Array.TrueForAll(peers, peer => peer.Missing == 0);
    }

    /// <summary>The other end of a link. It answers a frame with as many frames as its number.</summary>
    private sealed class Peer
    {
        private readonly LinksEnd _end;
        private readonly TensorLink _link;
        private readonly List<int> _expected = [];

        public Peer(LinksEnd end, PipePair pair)
        {
            (_end, _link) = (end, end.Connect("there", pair.Here));
            Answering = Task.Factory.StartNew(() => Answer(pair.There), TaskCreationOptions.LongRunning);
        }

        public Task Answering { get; }

        public int Missing => _expected.Count - _end.Count(_link);

        /// <summary>Queues up to three times as many frames as fit, and requests slightly more answers than fit.</summary>
        public void Ask(Random random)
        {
            var answers = random.Next(3) == 0 ? random.Next(20) : random.Next(3);
            _end.Queue(_link, [.. Enumerable.Repeat(0, random.Next(4) == 0 ? random.Next(48) : random.Next(3)), answers]);
            _expected.AddRange(Enumerable.Range(0, answers));
        }

        public void AssertInOrder() => Assert.Equal(_expected, _end.Numbers(_link));

        private static void Answer(IFramePipe pipe)
        {
            using var poller = new Poller();
            try
            {
                while (true)
                {
                    var asked = poller.Next(pipe).Header.Slice;
                    for (var i = 0; i < asked; i++)
                        while (!pipe.TrySend(FrameGen.Numbered(i, 0), default)) poller.Sleep(pipe, wantsRoom: true);
                }
            }
            catch (LinkException)
            {
                // The test has ended.
            }
        }
    }
}
