using Distributed.Core.Reduction;
using Distributed.Shared.Tests.Links.Pipes;
using Distributed.Transport.Buffers;
using Distributed.Transport.Links;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links;

/// <summary>In steady state no thread that moves frames allocates.</summary>
public sealed class TensorLinksAllocationTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    private const int Rounds = 1000;
    private const int FramesEachWay = 10;

    /// <summary>A garbage collection during other tests charges some bytes to every thread: 24, or 200 if it uses sockets. One object per
    /// frame would be half a million bytes.</summary>
    private const long OfCollection = 256, Noise = 5_000;

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_thread_that_queues_and_moves_frames_allocates_nothing(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        var counter = new Counter();
        using var links = new TensorLinks(counter, metrics: null);
        using var pool = new VectorPool(new(1000, 1));
        TensorLink link;
        lock (links.Gate) links.Open(link = links.Add("there"), pair.Here);
        var payload = new byte[4000];
        Exchange(20);
        var (before, collections) = (GC.GetAllocatedBytesForCurrentThread(), GC.CollectionCount(0));
        Exchange(Rounds);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Noise + (OfCollection * (GC.CollectionCount(0) - collections)));

        void Exchange(int rounds)
        {
            for (var round = 0; round < rounds; round++)
            {
                links.BeginHelp();
                var (received, expected) = (0, counter.Received + FramesEachWay);
                lock (links.Gate)
                {
                    for (var i = 0; i < FramesEachWay; i++)
                    {
                        var buffer = pool.Rent();
                        links.Send(
                            link,
                            FrameGen.Numbered(i, 4000),
                            buffer.Memory[..4000],
                            buffer,
                            i % 3 == 0 ? FramePriority.Urgent : FramePriority.Normal);
                        buffer.Release();
                    }
                    links.DropOlderThan(1);
                    if (round % 2 == 0) links.Push();
                }
                for (var i = 0; i < FramesEachWay; i++) Assert.True(pair.There.TrySend(FrameGen.Numbered(i, 4000), payload));
                while (received < FramesEachWay || counter.Received < expected)
                {
                    lock (links.Gate) links.Move();
                    for (; pair.There.TryReceive(out _, out _); received++) pair.There.Release();
                }
                links.EndHelp(isBusy: round % 3 == 0);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task The_links_own_thread_allocates_nothing(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        var counter = new Counter();
        using var links = new TensorLinks(counter, metrics: null);
        TensorLink link;
        lock (links.Gate) links.Open(link = links.Add("there"), pair.Here);
        // It answers each frame, so that it sends, receives and sleeps.
        counter.OnReceive = () => links.Send(link, FrameGen.Numbered(0, 0), default);
        Exchange(20);
        var (before, collections) = (counter.Allocated, GC.CollectionCount(0));
        Exchange(Rounds);
        Assert.InRange(counter.Allocated - before, 0, Noise + (OfCollection * (GC.CollectionCount(0) - collections)));
        Assert.Equal(1, counter.Threads);

        void Exchange(int rounds)
        {
            for (var round = 0; round < rounds; round++)
            {
                for (var i = 0; i < FramesEachWay; i++) Assert.True(pair.There.TrySend(FrameGen.Numbered(i, 0), default));
                for (var i = 0; i < FramesEachWay; i++) poller.Next(pair.There);
            }
        }
    }

    private sealed class Counter : ILinkHandler
    {
        private readonly HashSet<int> _threads = [];

        public Action OnReceive { get; set; } = () => { };

        public int Received { get; private set; }

        /// <summary>Allocated by the thread that received last, until then.</summary>
        public long Allocated { get; private set; }

        public int Threads => _threads.Count;

        public bool Receive(TensorLink link, in FrameHeader header, ReadOnlySpan<byte> payload)
        {
            _threads.Add(Environment.CurrentManagedThreadId);
            Allocated = GC.GetAllocatedBytesForCurrentThread();
            Received++;
            OnReceive();
            return true;
        }

        public void Closed(TensorLink link, string reason) => Assert.Fail(reason);
    }
}
