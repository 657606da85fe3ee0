using System.Net.Sockets;
using Distributed.Transport.Pipes;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Reduction;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Tests.Links;

/// <summary>The coordinator links admitted workers and refuses other connections.</summary>
public sealed class StarGreetingTests : IDisposable
{
    private static readonly Gen<(byte[], string, bool)> _greetings =
        Gen.Select(Gen.Byte.Array[LinkHello.TokenLength], Gen.String[Gen.Char.AlphaNumeric, 1, 20], Gen.Bool);

    private readonly StarBench _bench = new();

    private CoordinatorLinks Star => _bench.Star;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public async Task An_admitted_worker_that_knows_the_token_can_link_once()
    {
        using var first = await _bench.LinkAsync("worker-1");
        Assert.True(_bench.IsLinked("worker-1"));
        await AssertRefusedAsync(Star.Token, "worker-1");
        Assert.True(_bench.IsLinked("worker-1"));
        Assert.False(first.IsClosed);
        first.Dispose();
        Assert.Equal("worker-1", (await _bench.Closed.NextAsync()).Worker);
        Assert.False(_bench.IsLinked("worker-1"));
        await AssertRefusedAsync(Star.Token, "worker-1");
        await _bench.LinkAsync("worker-1");
    }

    [Fact]
    public Task A_wrong_token_or_name_is_refused_and_counted() => _greetings.SampleAsync(async (token, name, knowsToken) =>
    {
        using var bench = new StarBench();
        var linked = await bench.LinkAsync("worker-1");
        bench.Star.Admit("worker-2");
        using var peer = bench.Stranger();
        if (knowsToken) peer.Greet(bench.Star.Token, "x" + name);
        else peer.Greet(token, "worker-2");
        await peer.WhenClosed;
        await bench.Log.WhenContainsAsync(
            knowsToken
                ? $"refused: x{name} is not expected, or has a link already"
                : "refused: the greeting is not one of this job");
        Assert.Equal(1, await bench.RefusedConnectionsAsync(Refusal.Stranger));
        Assert.False(bench.IsLinked("worker-2"));
        Assert.False(linked.IsClosed);
    }, iter: 10, threads: 1);

    [Theory]
    [InlineData(FrameKind.Contribution, 64)]
    [InlineData(FrameKind.State, 64)]
    [InlineData(FrameKind.Present, 0)]
    [InlineData(FrameKind.Hello, 0)]
    [InlineData(FrameKind.Hello, LinkHello.TokenLength)]
    [InlineData(FrameKind.Hello, 257)]
    [InlineData(FrameKind.Hello, FrameHeader.MaxLength)]
    public async Task A_connection_that_does_not_begin_with_a_greeting_is_refused(FrameKind kind, int length)
    {
        var linked = await _bench.LinkAsync("worker-1");
        var peer = _bench.Stranger();
        peer.Send(new(kind, StarBench.Job, 0, 0, 0, default, length), new byte[length]);
        await AssertRefusedAsync(peer, "the connection does not begin with a greeting", Refusal.Garbage);
        Assert.False(linked.IsClosed);
    }

    [Fact]
    public async Task A_greeting_of_another_job_is_refused()
    {
        Star.Admit("worker-1");
        using var peer = StarPeer.Stranger(Star.Port, StarBench.Job + 1);
        peer.Greet(Star.Token, "worker-1");
        await AssertRefusedAsync(peer, "the greeting is not one of this job", Refusal.Stranger);
    }

    [Fact]
    public async Task Bytes_that_are_no_frames_are_refused()
    {
        var peer = _bench.Stranger();
        peer.SendBytes("GET / HTTP/1.1\r\nHost: coordinator.example\r\nAccept: text/html\r\n\r\n"u8);
        await AssertRefusedAsync(peer, "the bytes received are not a frame", Refusal.Garbage);
    }

    [Fact]
    public Task Noise_affects_no_worker() => Gen.Byte.Array[0, 200].SampleAsync(async noise =>
    {
        using var bench = new StarBench();
        var linked = await bench.LinkAsync("worker-1");
        using var stranger = StarPeer.NewSocket(bench.Star.Port);
        if (noise.Length > 0) await stranger.SendAsync(noise);
        stranger.Shutdown(SocketShutdown.Send);
        await bench.Log.WhenContainsAsync("refused: ");
        await bench.LinkAsync("worker-2");
        Assert.False(linked.IsClosed);
        Assert.False(bench.Closed.TryRead(out _));
    }, iter: 50, threads: 1);

    [Fact]
    public async Task A_port_scan_is_counted_and_logged_in_a_few_lines_and_a_worker_can_still_link()
    {
        for (var i = 0; i < 200; i++)
        {
            using var scanner = StarPeer.NewSocket(Star.Port);
            // Every other one resets the connection instead of ending it.
            if (i % 2 == 0) scanner.LingerState = new(enable: true, seconds: 0);
        }
        await RefusedAsync(200, Refusal.Closed, Refusal.Garbage);
        Assert.InRange(_bench.Log.Lines.Count, 1, 20);
        Assert.All(_bench.Log.Lines, line => Assert.StartsWith("Warning: Connection from 127.0.0.1:", line, StringComparison.Ordinal));
        await _bench.LinkAsync("worker-1");
    }

    [Fact]
    public async Task Silent_connections_are_limited_in_number_and_closed()
    {
        var linked = await _bench.LinkAsync("worker-1");
        Star.Admit("worker-2");
        var silent = new List<StarPeer>();
        for (var i = 0; i < 65; i++) silent.Add(_bench.Stranger());
        // The coordinator evicts the connection that has been silent for longest.
        await silent[0].WhenClosed;
        await _bench.Log.WhenContainsAsync("evicted by a new connection, as 64 connections had not identified themselves");
        Assert.DoesNotContain(silent.Skip(1), s => s.IsClosed);
        silent[^1].Greet(Star.Token, "worker-2");
        await silent[^1].NextAsync();
        foreach (var peer in silent.SkipLast(1)) await peer.WhenClosed;
        await _bench.Log.WhenContainsAsync("it did not identify itself within 10 s");
        await RefusedAsync(63, Refusal.Slow);
        await RefusedAsync(1, Refusal.Crowded);
        Assert.True(_bench.IsLinked("worker-2"));
        Assert.False(linked.IsClosed);
        Assert.False(silent[^1].IsClosed);
    }

    [Fact]
    public async Task Disposal_closes_all_links_and_reports_no_worker_as_lost()
    {
        var linked = await _bench.LinkAsync("worker-1");
        var stranger = _bench.Stranger();
        Star.Dispose();
        await linked.WhenClosed;
        await stranger.WhenClosed;
        Assert.False(_bench.Closed.TryRead(out _));
        Assert.Throws<SocketException>(() => StarPeer.NewSocket(Star.Port));
    }

    /// <summary>Waits until this many connections are refused for these reasons, and requires that no more are.</summary>
    private async Task RefusedAsync(int count, params Refusal[] reasons)
    {
        using var overdue = new CancellationTokenSource(Patience.Limit);
        double refused;
        do
        {
            overdue.Token.ThrowIfCancellationRequested();
            refused = 0;
            foreach (var reason in reasons) refused += await _bench.RefusedConnectionsAsync(reason) ?? 0;
        }
        while (refused < count);
        Assert.Equal(count, refused);
    }

    private async Task AssertRefusedAsync(byte[] token, string worker)
    {
        var peer = _bench.Stranger();
        peer.Greet(token, worker);
        await peer.WhenClosed;
    }

    private async Task AssertRefusedAsync(StarPeer peer, string reason, Refusal refusal)
    {
        await peer.WhenClosed;
        await _bench.Log.WhenContainsAsync(reason);
        Assert.Equal(1, await _bench.RefusedConnectionsAsync(refusal));
    }
}
