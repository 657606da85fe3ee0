using Distributed.Shared.Kernel;
using Distributed.Shared.Links;

namespace Distributed.Shared.Tests.Links;

/// <summary>Links that break, are closed, or meet a peer that breaks the rules: closed once, with a reason, every buffer back.</summary>
public sealed class TensorLinkFailureTests
{
    private static readonly VectorLayout _layout = new(FrameHeader.MaxLength / sizeof(float), 1);

    [Fact]
    public Task A_connection_cut_anywhere_closes_the_link_and_returns_the_buffer() =>
        Gen.Select(Gen.Int[0, 5000], Gen.Int[0, int.MaxValue]).SampleAsync(async (length, at) =>
        {
            var frame = FrameGen.Bytes(FrameGen.Numbered(0, length), FrameGen.Payload(length, at));
            var cut = at % frame.Length;
            var (reason, received) = await ReceiveAsync(frame[..cut]);
            Assert.EndsWith($"closed the connection{(cut == 0 ? "" : " in the middle of a frame")}", reason, StringComparison.Ordinal);
            Assert.Empty(received);
        }, iter: 50);

    [Fact]
    public Task A_flipped_bit_in_a_stream_lets_the_frames_before_it_through_and_no_other() =>
        Gen.Select(Gen.Int[0, 2000].Array[1, 8], Gen.Int[0, int.MaxValue]).SampleAsync(async (lengths, at) =>
        {
            var frames = lengths.Select((length, i) => FrameGen.Bytes(FrameGen.Numbered(i, length), FrameGen.Payload(length, i))).ToList();
            var stream = frames.SelectMany(f => f).ToArray();
            var bit = (int)(at % (stream.Length * 8L));
            stream[bit / 8] ^= (byte)(1 << bit % 8);
            var (intact, end) = (0, 0);
            while ((end += frames[intact].Length) <= bit / 8) intact++;
            var (reason, received) = await ReceiveAsync(stream);
            Assert.NotEmpty(reason);
            Assert.Equal(Enumerable.Range(0, intact), received);
        }, iter: 50);

    [Fact]
    public Task Garbage_closes_the_link() => Gen.Byte.Array[1, 5000].SampleAsync(async garbage =>
    {
        var (reason, received) = await ReceiveAsync(garbage);
        Assert.NotEmpty(reason);
        Assert.Empty(received);
    }, iter: 50);

    public static TheoryData<string, byte[]> BadFrames()
    {
        var good = FrameGen.Bytes(FrameGen.Numbered(0, 100), FrameGen.Payload(100, 1));
        byte[] With(int at, params byte[] bytes) => [.. good[..at], .. bytes, .. good[(at + bytes.Length)..]];
        byte[] OfLength(int length) => With(40, BitConverter.GetBytes(length));
        return new()
        {
            { "the bytes received are no frame", With(0, 1, 2, 3, 4) },
            { "frame version 9 received, version 1 spoken here", With(4, 9) },
            { "frame of unknown kind 77 received", With(5, 77) },
            { $"{FrameHeader.MaxLength + 1} bytes received, at most {FrameHeader.MaxLength} allowed", OfLength(FrameHeader.MaxLength + 1) },
            { $"-1 bytes received, at most {FrameHeader.MaxLength} allowed", OfLength(-1) },
            { "checksum does not match", With(FrameHeader.Size + 99, (byte)~good[^1]) },
            { "checksum does not match", With(16, (byte)~good[16]) },
        };
    }

    [Theory]
    [MemberData(nameof(BadFrames))]
    public async Task A_bad_frame_closes_its_link_with_the_reason_and_harms_no_other(string reason, byte[] frame)
    {
        var (here, there) = await Loopback.ConnectAsync();
        var neighbour = new ScriptedReceiver { Expected = 2 };
        using TensorLink from = new(here, new ScriptedReceiver()), to = new(there, neighbour);
        var running = Task.WhenAll(from.RunAsync(), to.RunAsync());
        from.Send(FrameGen.Numbered(0, 0), default);
        var (told, received) = await ReceiveAsync(frame);
        Assert.Contains(reason, told, StringComparison.Ordinal);
        Assert.Empty(received);
        from.Send(FrameGen.Numbered(1, 0), default);
        await neighbour.Arrived.Soon();
        from.Close("done");
        await running.Soon();
    }

    [Fact]
    public async Task A_frame_of_another_length_than_its_destination_closes_the_link()
    {
        var buffers = new PooledBuffers(_layout);
        var (reason, _) = await ReceiveAsync(FrameGen.Bytes(FrameGen.Numbered(0, 8), new byte[8]), buffers, _ =>
        {
            var buffer = buffers.Rent();
            return FrameTarget.Into(buffer.Memory[..12], buffer);
        });
        Assert.Equal("Contribution frame of 8 bytes received, 12 expected", reason);
    }

    [Fact]
    public async Task A_receiver_that_refuses_a_frame_closes_the_link_with_its_own_words()
    {
        var frame = FrameGen.Bytes(FrameGen.Numbered(0, 8), new byte[8]);
        var (reason, _) = await ReceiveAsync(frame, onBegin: _ => throw new LinkException("slice 0 of a stranger"));
        Assert.Equal("slice 0 of a stranger", reason);
    }

    [Fact]
    public async Task A_receiver_that_fails_closes_the_link_and_no_more()
    {
        var frame = FrameGen.Bytes(FrameGen.Numbered(0, 8), new byte[8]);
        var (begun, _) = await ReceiveAsync(frame, onBegin: _ => throw new InvalidOperationException("no room"));
        Assert.EndsWith("could not be handled: no room", begun, StringComparison.Ordinal);
        var (completed, _) = await ReceiveAsync(frame, onComplete: _ => throw new InvalidOperationException("no sum"));
        Assert.EndsWith("could not be handled: no sum", completed, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Frames_still_queued_at_close_let_go_of_their_buffers()
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, silent) = await Loopback.ConnectAsync();
            using var _ = silent;
            var receiver = new ScriptedReceiver();
            using var link = new TensorLink(here, receiver);
            var running = link.RunAsync();
            for (var i = 0; i < 60; i++) SendWhole(link, buffers);
            link.Close("enough");
            await running.Soon();
            SendWhole(link, buffers);
            Assert.Equal(("enough", 1), (await receiver.WhenClosed, receiver.TimesClosed));
            buffers.AssertAllReturned();
        }
    }

    [Fact]
    public async Task A_peer_that_goes_while_frames_are_queued_leaves_no_buffer_held()
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, there) = await Loopback.ConnectAsync();
            var receiver = new ScriptedReceiver();
            using var link = new TensorLink(here, receiver);
            var running = link.RunAsync();
            for (var i = 0; i < 60; i++) SendWhole(link, buffers);
            there.Dispose();
            await running.Soon();
            Assert.Contains(link.Peer, await receiver.WhenClosed, StringComparison.Ordinal);
            buffers.AssertAllReturned();
        }
    }

    [Fact]
    public async Task More_frames_than_may_wait_close_the_link()
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, silent) = await Loopback.ConnectAsync();
            using var _ = silent;
            var receiver = new ScriptedReceiver();
            using var link = new TensorLink(here, receiver);
            var running = link.RunAsync();
            var buffer = buffers.Rent();
            // The sockets take some of them, so many more have to wait in the end.
            for (var i = 0; i < TensorLink.MaxQueuedFrames + 1000 && !running.IsCompleted; i++)
                link.Send(FrameGen.Numbered(i, FrameHeader.MaxLength), buffer.Memory[..FrameHeader.MaxLength], buffer);
            buffer.Release();
            Assert.Equal($"more than {TensorLink.MaxQueuedFrames} frames wait for {link.Peer}", await receiver.WhenClosed.Soon());
            await running.Soon();
            buffers.AssertAllReturned();
        }
    }

    [Fact]
    public async Task A_payload_that_no_frame_may_have_is_the_senders_mistake()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = there;
        using var link = new TensorLink(here, new ScriptedReceiver());
        Assert.Throws<ArgumentOutOfRangeException>(() => link.Send(FrameGen.Numbered(0, 3), new byte[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => link.Send(FrameGen.Numbered(0, FrameHeader.MaxLength + 1), new byte[FrameHeader.MaxLength + 1]));
    }

    [Fact]
    public async Task Closing_from_many_threads_while_reading_tells_one_reason_once()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = there;
        var receiver = new ScriptedReceiver { Expected = 1 };
        using var link = new TensorLink(here, receiver);
        var running = link.RunAsync();
        await there.SendAllAsync(FrameGen.Bytes(FrameGen.Numbered(0, 0), []));
        await receiver.Arrived.Soon();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => link.Close($"reason {i}")))).Soon();
        await running.Soon();
        Assert.StartsWith("reason ", await receiver.WhenClosed, StringComparison.Ordinal);
        Assert.Equal(1, receiver.TimesClosed);
    }

    [Fact]
    public async Task A_receiver_may_close_the_link_that_calls_it()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = there;
        TensorLink? link = null;
        var receiver = new ScriptedReceiver { OnComplete = _ => link!.Close("seen enough") };
        link = new TensorLink(here, receiver);
        var running = link.RunAsync();
        await there.SendAllAsync(FrameGen.Bytes(FrameGen.Numbered(0, 0), []));
        await running.Soon();
        Assert.Equal(("seen enough", 1), (await receiver.WhenClosed, receiver.TimesClosed));
    }

    [Fact]
    public async Task A_link_closed_before_it_runs_ends_at_once()
    {
        var buffers = new PooledBuffers(_layout);
        using (buffers.Pool)
        {
            var (here, there) = await Loopback.ConnectAsync();
            using var _ = there;
            var receiver = new ScriptedReceiver();
            var link = new TensorLink(here, receiver);
            SendWhole(link, buffers);
            link.Dispose();
            await link.RunAsync().Soon();
            Assert.Equal(("closed", 1), (await receiver.WhenClosed, receiver.TimesClosed));
            buffers.AssertAllReturned();
        }
    }

    /// <summary>Has a link receive these bytes and then the end; checks what holds of every link.</summary>
    private static async Task<(string Reason, IEnumerable<int> Received)> ReceiveAsync(
        byte[] stream, PooledBuffers? buffers = null,
        Func<FrameHeader, FrameTarget>? onBegin = null, Action<FrameHeader>? onComplete = null)
    {
        buffers ??= new(_layout);
        using (buffers.Pool)
        {
            var (peer, socket) = await Loopback.ConnectAsync();
            var receiver = new ScriptedReceiver { OnBegin = onBegin ?? ScriptedReceiver.Into(buffers), OnComplete = onComplete ?? (_ => { }) };
            using var link = new TensorLink(socket, receiver);
            var running = link.RunAsync();
            using (peer) await peer.SendAllAsync(stream);
            await running.Soon();
            Assert.Equal(1, receiver.TimesClosed);
            buffers.AssertAllReturned();
            return (await receiver.WhenClosed, receiver.Received.Select(f => f.Header.Slice));
        }
    }

    private static void SendWhole(TensorLink link, PooledBuffers buffers)
    {
        var buffer = buffers.Rent();
        link.Send(FrameGen.Numbered(0, FrameHeader.MaxLength), buffer.Memory[..FrameHeader.MaxLength], buffer);
        buffer.Release();
    }
}
