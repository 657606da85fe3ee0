using System.Net.Sockets;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class LinkHandshakeTests
{
    private static readonly LinkIdentity _self = new(PipePair.Job, PipePair.Token, "worker-1");
    private static readonly LinkOptions _impatient = new() { GreetingTimeout = TimeSpan.FromMilliseconds(200) };

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Memory_is_shared_if_both_ends_want_it_and_frames_go_both_ways(bool here, bool there)
    {
        using var listener = PipePair.Listen();
        var connecting = LinkHandshake.ConnectAsync("localhost", PipePair.PortOf(listener), _self, new() { SharedMemory = here }, default);
        var (name, accepted) = await AcceptAsync(listener, options: new() { SharedMemory = there });
        using var _ = accepted;
        using var connected = await connecting.Soon();
        Assert.Equal(_self.Name, name);
        Assert.All([connected, accepted], pipe => Assert.Equal(here && there, pipe is SharedMemoryPipe));
        Assert.All([connected, accepted], pipe => Assert.Matches(@"^127\.0\.0\.1:\d+( \(shared memory\))?$", pipe.Peer));
        using var poller = new Poller();
        foreach (var (from, to) in ((IFramePipe, IFramePipe)[])[(connected, accepted), (accepted, connected)])
        {
            Assert.True(from.TrySend(FrameGen.Numbered(1, 2), "hi"u8));
            Assert.Equal("hi"u8, poller.Next(to).Payload);
        }
    }

    public static TheoryData<string, string, byte[]> Refused()
    {
        static byte[] Frame(byte[] payload, ulong job = PipePair.Job, FrameKind kind = FrameKind.Hello) =>
            FrameGen.Bytes(new(kind, job, 0, 0, 0, default, payload.Length), payload);
        static byte[] Hello(byte[] token, string name = "worker-1") => new LinkHello(token, name, null).ToBytes();
        const string Stranger = "the greeting is not one of this job";
        const string NoGreeting = "the connection does not begin with a greeting";
        var flipped = Frame(Hello(PipePair.Token));
        flipped[^1] ^= 1;
        return new()
        {
            { "wrong token", Stranger, Frame(Hello(new byte[LinkHello.TokenLength])) },
            { "wrong job", Stranger, Frame(Hello(PipePair.Token), job: 78) },
            { "not admitted", "nobody is not expected, or has a link already", Frame(Hello(PipePair.Token, "nobody")) },
            { "no hello", NoGreeting, Frame(Hello(PipePair.Token), kind: FrameKind.Average) },
            { "no name", NoGreeting, Frame([.. PipePair.Token, 0]) },
            { "too long", NoGreeting, Frame(new byte[LinkHello.MaxLength + 1]) },
            { "far too long", NoGreeting, Frame(new byte[FrameHeader.MaxLength]) },
            { "empty", NoGreeting, Frame([]) },
            { "garbage", $"{NoGreeting}: the bytes received are not a frame", [.. Enumerable.Range(0, 200).Select(i => (byte)i)] },
            { "changed", $"{NoGreeting}: frame received whose checksum does not match its bytes", flipped },
        };
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task An_invalid_greeting_is_refused_with_the_reason_and_the_connection_closed(string what, string reason, byte[] bytes)
    {
        using var listener = PipePair.Listen();
        using var socket = await ConnectRawAsync(listener);
        var accepting = AcceptAsync(listener);
        await socket.SendAllAsync(bytes);
        var error = await Assert.ThrowsAsync<LinkException>(() => accepting);
        Assert.True(reason == error.Message, what + ": " + error.Message);
        Assert.False(error.IsDisconnect);
        Assert.Equal(0, await ReceiveOrResetAsync(socket));
    }

    [Fact]
    public async Task The_link_works_without_memory_that_cannot_be_opened()
    {
        using var memory = LinkMemory.TryCreate()!;
        using var file = File.OpenHandle(typeof(LinkHandshakeTests).Assembly.Location);
        var offer = memory.Offer;
        LinkMemoryOffer[] offers =
        [
            offer with { Boot = Guid.NewGuid() },
            offer with { Boot = default },
            offer with { Secret = offer.Secret ^ 1 },
            offer with { Bytes = offer.Bytes - 4096 },
            offer with { Process = int.MaxValue },
            offer with { Process = -1 },
            offer with { Descriptor = -1 },
            offer with { Descriptor = (int)file.DangerousGetHandle() },
        ];
        foreach (var bad in offers) Assert.IsType<SocketPipe>(await OfferAsync(bad, 0));
        Assert.IsType<SharedMemoryPipe>(await OfferAsync(offer, 1));
        memory.CloseFile();
        Assert.IsType<SocketPipe>(await OfferAsync(offer, 0));
    }

    [Fact]
    public async Task A_silent_connection_times_out()
    {
        using var listener = PipePair.Listen();
        using var socket = await ConnectRawAsync(listener);
        var error = await Assert.ThrowsAsync<LinkException>(() => AcceptAsync(listener, _impatient));
        Assert.Equal("it did not identify itself within 0.2 s", error.Message);
        Assert.Equal(0, await ReceiveOrResetAsync(socket));
    }

    [Fact]
    public async Task A_connection_that_breaks_during_the_greeting_fails_at_once() => await Gen.Int[0, 100].SampleAsync(async sent =>
    {
        using var listener = PipePair.Listen();
        using (var socket = await ConnectRawAsync(listener))
        {
            var hello = new LinkHello(PipePair.Token, "worker-1", null).ToBytes();
            await socket.SendAllAsync(
                FrameGen.Bytes(new(FrameKind.Hello, PipePair.Job, 0, 0, 0, default, hello.Length), hello).AsMemory(0, Math.Min(sent, 80)));
        }
        var error = await Assert.ThrowsAsync<LinkException>(() => AcceptAsync(listener));
        Assert.EndsWith("closed the connection before it identified itself", error.Message, StringComparison.Ordinal);
        Assert.True(error.IsDisconnect);
    }, iter: 20);

    [Fact]
    public async Task An_unreachable_address_is_named_in_the_error()
    {
        int port;
        using (var listener = PipePair.Listen()) port = PipePair.PortOf(listener);
        var error = await Assert.ThrowsAsync<LinkException>(
            () => LinkHandshake.ConnectAsync("127.0.0.1", port, _self, new(), default).Soon());
        Assert.Equal($"the link at 127.0.0.1:{port} cannot be reached: Connection refused", error.Message);
        error = await Assert.ThrowsAsync<LinkException>(
            () => LinkHandshake.ConnectAsync("no.such.host.invalid", port, _self, new(), default).Soon());
        Assert.StartsWith($"the link at no.such.host.invalid:{port} cannot be reached: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listener_that_does_not_answer_times_out()
    {
        using var listener = PipePair.Listen();
        var port = PipePair.PortOf(listener);
        var error = await Assert.ThrowsAsync<LinkException>(
            () => LinkHandshake.ConnectAsync("127.0.0.1", port, _self, _impatient, default).Soon());
        Assert.Equal($"the link at 127.0.0.1:{port} does not answer within 0.2 s", error.Message);
    }

    [Fact]
    public async Task A_refusal_by_the_listener_is_reported()
    {
        using var listener = PipePair.Listen();
        var connecting = LinkHandshake.ConnectAsync(
            "127.0.0.1", PipePair.PortOf(listener), _self with { Token = new byte[16] }, new(), default);
        await Assert.ThrowsAsync<LinkException>(() => AcceptAsync(listener));
        var error = await Assert.ThrowsAsync<LinkException>(() => connecting.Soon());
        Assert.Equal($"127.0.0.1:{PipePair.PortOf(listener)} closed the connection instead of answering the greeting", error.Message);
    }

    [Fact]
    public async Task A_malformed_answer_is_refused() => await Gen.OneOf(Gen.Byte[2, 255], Gen.Const((byte)1)).SampleAsync(async answer =>
    {
        // No memory was offered that could have been opened.
        using var listener = PipePair.Listen();
        var connecting = LinkHandshake.ConnectAsync("127.0.0.1", PipePair.PortOf(listener), _self, new() { SharedMemory = false }, default);
        using var socket = await listener.AcceptAsync().Soon();
        await socket.SendAllAsync(FrameGen.Bytes(new(FrameKind.Hello, PipePair.Job, 0, 0, 0, default, 1), [answer]));
        var error = await Assert.ThrowsAsync<LinkException>(() => connecting.Soon());
        Assert.EndsWith("sent a malformed answer to the greeting", error.Message, StringComparison.Ordinal);
    }, iter: 10);

    [Fact]
    public async Task Both_ends_can_be_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        using var silent = PipePair.Listen();
        var connecting = LinkHandshake.ConnectAsync("127.0.0.1", PipePair.PortOf(silent), _self, new(), cancellation.Token);
        using var listener = PipePair.Listen();
        using var stranger = await ConnectRawAsync(listener);
        var socket = await listener.AcceptAsync().Soon();
        var accepting = LinkHandshake.AcceptAsync(socket, PipePair.Job, PipePair.Token, _ => true, new(), cancellation.Token);
        cancellation.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.Soon());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accepting.Soon());
    }

    private static async Task<IFramePipe> OfferAsync(LinkMemoryOffer offer, byte answer)
    {
        using var listener = PipePair.Listen();
        using var socket = await ConnectRawAsync(listener);
        var accepting = AcceptAsync(listener);
        var hello = new LinkHello(PipePair.Token, "worker-1", offer).ToBytes();
        await socket.SendAllAsync(FrameGen.Bytes(new(FrameKind.Hello, PipePair.Job, 0, 0, 0, default, hello.Length), hello));
        var (_, pipe) = await accepting.Soon();
        var reply = new byte[FrameHeader.Size + 1];
        for (var filled = 0; filled < reply.Length;) filled += await socket.ReceiveAsync(reply.AsMemory(filled)).AsTask().Soon();
        Assert.Equal(answer, reply[^1]);
        pipe.Dispose();
        return pipe;
    }

    private static async Task<(string Name, IFramePipe Pipe)> AcceptAsync(Socket listener, LinkOptions? options = null) =>
        await LinkHandshake.AcceptAsync(
            await listener.AcceptAsync().Soon(), PipePair.Job, PipePair.Token,
            name => name == _self.Name, options ?? new(), default).Soon();

    private static async Task<Socket> ConnectRawAsync(Socket listener)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!);
        return socket;
    }

    private static async Task<int> ReceiveOrResetAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).Soon();
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Unread bytes turn the close into a reset.
            return 0;
        }
    }
}
