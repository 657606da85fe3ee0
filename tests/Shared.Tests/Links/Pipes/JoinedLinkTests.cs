using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Metrics;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Links whose ends prove to each other that they hold the join token.</summary>
public sealed class JoinedLinkTests
{
    private static readonly LinkIdentity _self = new(PipePair.Job, PipePair.Token, "worker-1");

    private readonly JoinToken _token = JoinToken.Create();
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly Channel<IFramePipe> _established = Channel.CreateUnbounded<IFramePipe>();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_token_is_not_visible_in_transit(bool isShared)
    {
        using var listener = Listen(isShared);
        using var between = Relay.Start(listener.Port);
        using var here = await ConnectAsync(between.Port, _token, isShared);
        using var there = await _established.Reader.ReadAsync().AsTask().Soon();
        if (!isShared) Assert.All([here, there], pipe => Assert.IsType<SocketPipe>(pipe));
        Assert.True(here.TrySend(FrameGen.Numbered(0, 2), "hi"u8));
        using var poller = new Poller();
        Assert.Equal("hi"u8, poller.Next(there).Payload);
        static string[] TextsOf(byte[] secret) =>
            [Convert.ToBase64String(secret), Convert.ToHexString(secret), Convert.ToHexStringLower(secret)];
        var (seen, join) = (between.Seen, Convert.FromBase64String(_token.ToText()));
        byte[][] secrets = [join, PipePair.Token];
        byte[][] hidden = [.. secrets, .. secrets.SelectMany(TextsOf).Select(Encoding.ASCII.GetBytes)];
        Assert.All(hidden, bytes => Assert.True(seen.AsSpan().IndexOf(bytes) < 0));
        Assert.True(seen.Length > 100);
    }

    [Fact]
    public async Task Another_token_is_refused_by_both_ends()
    {
        using var listener = Listen();
        Refusal? refused = null;
        var error = await Assert.ThrowsAsync<LinkException>(
            () => ConnectAsync(listener.Port, JoinToken.Create(), refused: reason => refused = reason));
        Assert.Equal(
            (Refusal.Untrusted, $"the link at 127.0.0.1:{listener.Port} is refused: it does not hold the join token of this end"),
            (refused, error.Message));
        await CountedAsync("untrusted");
    }

    [Fact]
    public async Task An_unencrypted_greeting_is_garbage()
    {
        using var listener = Listen();
        await Assert.ThrowsAsync<LinkException>(() => ConnectAsync(listener.Port, null));
        await CountedAsync("garbage");
    }

    [Theory]
    [InlineData(0, "closed")]
    [InlineData(10, "closed")]
    [InlineData(200, "garbage")]
    public async Task Refused_connections_are_counted(int bytes, string expected)
    {
        using var listener = Listen();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, listener.Port);
        await socket.SendAllAsync(FrameGen.Payload(bytes, 1));
        socket.Shutdown(SocketShutdown.Send);
        await CountedAsync(expected);
    }

    private LinkListener Listen(bool isShared = false) => new(
        new(IPAddress.Loopback, 0), PipePair.Job, PipePair.Token, _ => true,
        (_, pipe) => _established.Writer.TryWrite(pipe), new TrainingMetrics(_registry).Links, NullLogger.Instance,
        new() { Token = _token, SharedMemory = isShared });

    private static Task<IFramePipe> ConnectAsync(int port, JoinToken? token, bool isShared = false, Action<Refusal>? refused = null) =>
        LinkHandshake.ConnectAsync(
            "127.0.0.1", port, _self, new() { Token = token, SharedMemory = isShared, Refused = refused }, default).Soon();

    private async Task CountedAsync(string reason)
    {
        using var timeout = new CancellationTokenSource(Loopback.Timeout);
        while ((await Exposition.Of(_registry))[$"distributed_refused_connections_total{{plane=\"links\",reason=\"{reason}\"}}"] < 1)
            await Task.Delay(TimeSpan.FromMilliseconds(10), timeout.Token);
        Assert.False(_established.Reader.TryRead(out _));
    }
}
