using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>The contract of both kinds of pipe.</summary>
public sealed class FramePipeTests
{
    public static readonly TheoryData<LinkPath> Transports = [LinkPath.Tcp, LinkPath.Tls, LinkPath.SharedMemory];

    private const int FullSlot = 128 * 1024;

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Frames_arrive_whole_and_in_order_for_any_interleaving_of_the_ends(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        var lengths = Gen.OneOf(Gen.Int[0, 64], Gen.Int[0, FullSlot], Gen.Int[FrameHeader.MaxLength - 8, FrameHeader.MaxLength]);
        Gen.Select(lengths.Array[0, 40], lengths.Array[0, 40], Gen.Int).Sample((here, there, seed) =>
        {
            var turns = new Random(seed);
            var (forth, back) = (new Flow(pair.Here, pair.There, here, seed), new Flow(pair.There, pair.Here, there, ~seed));
            while (!forth.IsDone || !back.IsDone) (turns.Next(2) == 0 ? forth : back).Move(turns);
        }, iter: 30, threads: 1);
    }

    [Fact]
    public async Task Frames_arrive_piece_by_piece_through_a_narrow_connection()
    {
        using var pair = await PipePair.ConnectNarrowAsync();
        Gen.Select(FrameGen.Length.Array[1, 6], Gen.Int).Sample((lengths, seed) =>
        {
            var turns = new Random(seed);
            var flow = new Flow(pair.Here, pair.There, lengths, seed);
            while (!flow.IsDone) flow.Move(turns);
        }, iter: 6, threads: 1);
    }

    [Fact]
    public async Task A_frame_sent_in_part_is_completed_before_any_other()
    {
        using var pair = await PipePair.ConnectNarrowAsync();
        var payload = FrameGen.Payload(FrameHeader.MaxLength, 1);
        Assert.False(pair.Here.IsMidFrame);
        Assert.False(pair.Here.TrySend(FrameGen.Numbered(0, payload.Length), payload));
        Assert.True(pair.Here.IsMidFrame);
        Assert.Throws<InvalidOperationException>(() => pair.Here.TrySend(FrameGen.Numbered(1, 0), default));
        using var poller = new Poller();
        while (!pair.Here.TrySend(FrameGen.Numbered(0, payload.Length), payload)) pair.There.TryReceive(out _, out _);
        Assert.False(pair.Here.IsMidFrame);
        Assert.Equal(payload, poller.Next(pair.There).Payload);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_full_pipe_takes_nothing_until_a_frame_is_released(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        var payload = new byte[FrameHeader.MaxLength];
        var sent = 0;
        while (pair.Here.TrySend(FrameGen.Numbered(sent, payload.Length), payload)) sent++;
        Assert.False(pair.Here.TrySend(FrameGen.Numbered(sent, payload.Length), payload));
        for (var received = 0; received < sent; received++) Assert.Equal(received, poller.Next(pair.There).Header.Slice);
        while (!pair.Here.TrySend(FrameGen.Numbered(sent, payload.Length), payload))
        {
            Assert.False(pair.There.TryReceive(out _, out _));
            poller.Sleep(pair.Here, wantsRoom: true);
        }
        Assert.Equal(sent, poller.Next(pair.There).Header.Slice);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_frame_stays_the_next_one_until_it_is_released(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        Assert.Throws<InvalidOperationException>(pair.There.Release);
        Assert.True(pair.Here.TrySend(FrameGen.Numbered(0, 3), "abc"u8));
        Assert.True(pair.Here.TrySend(FrameGen.Numbered(1, 0), default));
        poller.Sleep(pair.There);
        for (var i = 0; i < 3; i++)
        {
            Assert.True(pair.There.TryReceive(out var header, out var payload));
            Assert.Equal(FrameGen.Numbered(0, 3), header);
            Assert.True(payload.SequenceEqual("abc"u8));
            Assert.False(pair.There.Arm(wantsRoom: false));
        }
        pair.There.Release();
        Assert.Equal(1, poller.Next(pair.There).Header.Slice);
        Assert.Throws<InvalidOperationException>(pair.There.Release);
        Assert.False(pair.There.TryReceive(out _, out _));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_payload_of_the_wrong_length_is_refused_and_the_link_stays_open(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        var large = new byte[FrameHeader.MaxLength + 1];
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Here.TrySend(FrameGen.Numbered(0, large.Length), large));
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Here.TrySend(FrameGen.Numbered(0, 5), new byte[4]));
        Assert.True(pair.Here.TrySend(FrameGen.Numbered(1, large.Length - 1), large.AsSpan(1)));
        Assert.Equal(1, poller.Next(pair.There).Header.Slice);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Frames_sent_before_the_other_end_closed_are_received_before_the_disconnect(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        for (var i = 0; i < 5; i++) Assert.True(pair.Here.TrySend(FrameGen.Numbered(i, 1000), FrameGen.Payload(1000, i)));
        pair.Here.Dispose();
        var (error, frames) = pair.There.UntilBroken();
        Assert.Equal(Enumerable.Range(0, 5), frames.Select(f => f.Header.Slice));
        Assert.All(frames, (f, i) => Assert.Equal(FrameGen.Payload(1000, i), f.Payload));
        Assert.True(error.IsDisconnect);
        Assert.StartsWith("127.0.0.1:", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(" closed the connection", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Sending_to_an_end_that_is_gone_fails(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        pair.There.Dispose();
        pair.Here.UntilBroken();
        var error = Assert.Throws<LinkException>(() => SendForEver(pair.Here));
        Assert.True(error.IsDisconnect);
        Assert.Contains("127.0.0.1:", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_disposed_pipe_throws(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        pair.Here.Dispose();
        pair.Here.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pair.Here.TryReceive(out _, out _));
        Assert.Throws<ObjectDisposedException>(() => pair.Here.TrySend(FrameGen.Numbered(0, 0), default));
        Assert.Throws<ObjectDisposedException>(() => pair.Here.Arm(wantsRoom: false));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Frames_allocate_no_managed_memory(LinkPath transport)
    {
        using var pair = await PipePair.ConnectAsync(transport);
        using var poller = new Poller();
        var payload = new byte[4096];
        Exchange(pair, poller, payload, 100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Exchange(pair, poller, payload, 10_000);
        // A garbage collection during other tests charges 24 bytes to every thread; one object per frame would be ten times the limit.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
    }

    private static void SendForEver(IFramePipe pipe)
    {
        // TCP detects the closed end by the answer to the first packet.
        while (true) pipe.TrySend(FrameGen.Numbered(0, 0), default);
    }

    private static void Exchange(PipePair pair, Poller poller, byte[] payload, int frames)
    {
        for (var i = 0; i < frames; i++)
        {
            poller.Sleep(pair.Here, wantsRoom: true);
            while (!pair.Here.TrySend(FrameGen.Numbered(i, payload.Length), payload)) poller.Sleep(pair.Here, wantsRoom: true);
            do poller.Sleep(pair.There);
            while (!pair.There.TryReceive(out _, out _));
            pair.There.Release();
            // No frame arrives here: the end sleeps, and its timeout ends at once.
            Assert.True(pair.There.Arm(wantsRoom: false));
            poller.Clear();
            poller.Add(pair.There.Descriptor, pair.There.PollEvents(wantsFrames: true, wantsRoom: false));
            poller.Wait(TimeSpan.Zero);
            pair.There.Disarm();
            pair.There.Polled(poller.Reported(0));
        }
    }

    /// <summary>Sends frames from one end to the other, alternating between them.</summary>
    private sealed class Flow(IFramePipe from, IFramePipe to, int[] lengths, int seed)
    {
        private readonly byte[][] _payloads = [.. lengths.Select((length, i) => FrameGen.Payload(length, seed ^ i))];
        private int _sent;
        private int _received;

        public bool IsDone => _received == lengths.Length;

        public void Move(Random turns)
        {
            if (turns.Next(2) == 0 && _sent < lengths.Length && from.TrySend(FrameGen.Numbered(_sent, lengths[_sent]), _payloads[_sent]))
                _sent++;
            for (var burst = turns.Next(20); burst > 0 && to.TryReceive(out var header, out var payload); burst--)
            {
                Assert.Equal(FrameGen.Numbered(_received, lengths[_received]), header);
                Assert.True(payload.SequenceEqual(_payloads[_received++]));
                to.Release();
            }
        }
    }
}
