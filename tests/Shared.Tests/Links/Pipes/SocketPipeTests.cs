using System.Diagnostics;
using System.Net.Sockets;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>TCP peers that violate the protocol or disconnect.</summary>
public sealed class SocketPipeTests
{
    [Fact]
    public Task A_connection_cut_anywhere_ends_the_link_after_the_whole_frames() =>
        Gen.Select(Gen.Int[0, 5000].Array[1, 4], Gen.Int[0, int.MaxValue]).SampleAsync(async (lengths, at) =>
        {
            var frames = Frames(lengths);
            var stream = frames.SelectMany(f => f).ToArray();
            var cut = at % stream.Length;
            var (whole, end) = (0, 0);
            while (end + frames[whole].Length <= cut) end += frames[whole++].Length;
            var (error, received) = await ReceiveAsync(stream[..cut]);
            Assert.EndsWith(
                $"closed the connection{(cut == end ? "" : " in the middle of a frame")}", error.Message, StringComparison.Ordinal);
            Assert.True(error.IsDisconnect);
            Assert.Equal(Enumerable.Range(0, whole), received);
        }, iter: 50);

    [Fact]
    public Task Only_the_frames_before_a_flipped_bit_are_received() =>
        Gen.Select(Gen.Int[0, 2000].Array[1, 8], Gen.Int[0, int.MaxValue]).SampleAsync(async (lengths, at) =>
        {
            var frames = Frames(lengths);
            var stream = frames.SelectMany(f => f).ToArray();
            var bit = (int)(at % (stream.Length * 8L));
            stream[bit / 8] ^= (byte)(1 << bit % 8);
            var (intact, end) = (0, 0);
            while ((end += frames[intact].Length) <= bit / 8) intact++;
            var (error, received) = await ReceiveAsync(stream);
            Assert.Contains("127.0.0.1:", error.Message, StringComparison.Ordinal);
            Assert.Equal(Enumerable.Range(0, intact), received);
        }, iter: 50);

    [Fact]
    public Task Garbage_ends_the_link() => Gen.Byte.Array[1, 5000].SampleAsync(async garbage =>
    {
        var (error, received) = await ReceiveAsync(garbage);
        Assert.NotEmpty(error.Message);
        Assert.Empty(received);
    }, iter: 50);

    [Fact]
    public async Task A_violation_names_the_peer_and_persists_and_is_no_disconnect()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = here;
        using var pipe = new SocketPipe(there);
        var frame = Frames([100])[0];
        frame[^1] ^= 1;
        await here.SendAllAsync(frame);
        for (var again = 0; again < 2; again++)
        {
            var (error, frames) = pipe.UntilBroken();
            Assert.Equal($"{pipe.Peer} broke the rules of the link: frame received whose checksum does not match its bytes", error.Message);
            Assert.False(error.IsDisconnect);
            Assert.Empty(frames);
        }
    }

    [Fact]
    public async Task A_reset_connection_is_noticed_by_an_end_that_only_wants_room()
    {
        using var pair = await PipePair.ConnectNarrowAsync();
        var payload = new byte[FrameHeader.MaxLength];
        Assert.False(pair.Here.TrySend(FrameGen.Numbered(0, payload.Length), payload));
        // Closing with unread bytes resets the connection.
        pair.There.Dispose();
        using var poller = new Poller();
        poller.Add(pair.Here.Descriptor, pair.Here.PollEvents(wantsFrames: false, wantsRoom: true));
        Assert.Equal(1, poller.Wait(Loopback.Timeout));
        Assert.True(Assert.Throws<LinkException>(() =>
        {
            pair.Here.Polled(poller.Reported(0));
            pair.Here.TrySend(FrameGen.Numbered(0, payload.Length), payload);
        }).IsDisconnect);
    }

    [Fact]
    public async Task A_machine_that_disappears_is_detected()
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = here;
        using var pipe = new SocketPipe(there);
        Assert.NotEqual(0, there.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        SocketOptionName[] keepAlive =
            [SocketOptionName.TcpKeepAliveTime, SocketOptionName.TcpKeepAliveInterval, SocketOptionName.TcpKeepAliveRetryCount];
        Assert.Equal([10, 5, 3], keepAlive.Select(name => (int)there.GetSocketOption(SocketOptionLevel.Tcp, name)!));
    }

    private static List<byte[]> Frames(int[] lengths) =>
        [.. lengths.Select((length, i) => FrameGen.Bytes(FrameGen.Numbered(i, length), FrameGen.Payload(length, i)))];

    /// <summary>As with a stopped process: its kernel still receives and acknowledges bytes while it has room.</summary>
    [Fact]
    public async Task A_frozen_peer_ends_the_link_after_its_buffers_are_full_for_fifteen_seconds()
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough",
            "Takes 15 seconds: DISTRIBUTED_TESTS=thorough runs it.");
        var (here, there) = await Loopback.ConnectAsync();
        using var _ = here;
        using var pipe = new SocketPipe(there);
        var began = Stopwatch.GetTimestamp();
        var error = await Assert.ThrowsAsync<LinkException>(async () =>
        {
            for (var number = 0; Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(1);)
            {
                var payload = FrameGen.Payload(FrameHeader.MaxLength, 1);
                if (pipe.TrySend(FrameGen.Numbered(number, payload.Length), payload)) number++;
                else await Task.Delay(10);
            }
        });
        Assert.True(error.IsDisconnect);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 14, 30);
    }

    private static async Task<(LinkException Error, IEnumerable<int> Received)> ReceiveAsync(byte[] stream)
    {
        var (here, there) = await Loopback.ConnectAsync();
        using var pipe = new SocketPipe(there);
        using (here)
        {
            await here.SendAllAsync(stream);
            here.Shutdown(SocketShutdown.Send);
            var (error, frames) = pipe.UntilBroken();
            return (error, frames.Select(f => f.Header.Slice));
        }
    }
}
