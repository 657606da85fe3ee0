using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Shared.Tests.Metrics;
using Distributed.Shared.Tests.Security;
using Distributed.Transport.Pipes;
using Distributed.Transport.Security;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Prometheus;
using ILogger = Microsoft.Extensions.Logging.ILogger;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class LinkListenerTests : IDisposable
{
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly Channel<(string Name, IFramePipe Pipe)> _established = Channel.CreateUnbounded<(string, IFramePipe)>();
    private readonly Lines _log = new();
    private readonly FakeTimeProvider _time = new();
    private readonly LinkListener _listener;

    public LinkListenerTests() => _listener = Listen(_ => true);

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task Every_connection_with_a_valid_greeting_becomes_a_pipe()
    {
        var connected = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => ConnectAsync(_listener, $"worker-{i}"))).Soon();
        var names = new HashSet<string>();
        foreach (var pipe in connected)
        {
            var (name, accepted) = await _established.Reader.ReadAsync().AsTask().Soon();
            names.Add(name);
            accepted.Dispose();
            pipe.Dispose();
        }
        Assert.Equal(20, names.Count);
        Assert.Empty(_log.All);
    }

    [Fact]
    public async Task A_refused_greeting_is_counted_and_logged_and_accepting_goes_on()
    {
        using var listener = Listen(name => name != "nobody");
        await Assert.ThrowsAsync<LinkException>(() => ConnectAsync(listener, "nobody"));
        using var pipe = await ConnectAsync(listener, "somebody");
        var line = await _log.NextAsync();
        Assert.Matches(@"^Connection from 127\.0\.0\.1:\d+ refused: nobody is not expected, or has a link already$", line);
        Assert.Equal(1, (await Exposition.Of(_registry))["distributed_refused_connections_total{plane=\"links\",reason=\"stranger\"}"]);
        (await _established.Reader.ReadAsync().AsTask().Soon()).Pipe.Dispose();
    }

    [Fact]
    public async Task Unidentified_connections_are_bounded_and_block_no_worker()
    {
        List<Socket> strangers = [];
        for (var i = 0; i < 2 * LinkListener.MaxUnidentified; i++) strangers.Add(await ConnectRawAsync());
        // The connections silent for longest were evicted.
        foreach (var evicted in strangers.Take(LinkListener.MaxUnidentified)) Assert.Equal(0, await ReceivedAsync(evicted));
        using var pipe = await ConnectAsync(_listener, "worker");
        (await _established.Reader.ReadAsync().AsTask().Soon()).Pipe.Dispose();
        await Crowded(LinkListener.MaxUnidentified + 1);
        // One line at once, and one with the number of the rest.
        Assert.Matches("refused: evicted by a new connection, as 64 connections had not identified themselves$", Assert.Single(_log.All));
        _time.Advance(RefusalLog.Interval);
        Assert.StartsWith(
            $"{LinkListener.MaxUnidentified} more connections refused within 10 s", _log.All.Last(), StringComparison.Ordinal);
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [Fact]
    public async Task The_listener_keeps_accepting_when_the_log_throws()
    {
        using var listener = Listen(
            name => name != "nobody" ? true : throw new InvalidOperationException("no matter what"),
            new RefusalLogTests.Failing());
        await Assert.ThrowsAsync<LinkException>(() => ConnectAsync(listener, "nobody"));
        using (var garbage = await ConnectRawAsync(listener))
        {
            await garbage.SendAsync(new byte[FrameHeader.Size]);
            Assert.Equal(0, await ReceivedAsync(garbage));
        }
        using var pipe = await ConnectAsync(listener, "somebody");
        (await _established.Reader.ReadAsync().AsTask().Soon()).Pipe.Dispose();
    }

    [Fact]
    public async Task A_closed_listener_accepts_nothing_and_its_pipes_stay_open()
    {
        using var here = await ConnectAsync(_listener, "worker");
        var (_, there) = await _established.Reader.ReadAsync().AsTask().Soon();
        using var stranger = await ConnectRawAsync();
        _listener.Dispose();
        _listener.Dispose();
        using var poller = new Poller();
        Assert.True(here.TrySend(FrameGen.Numbered(3, 0), default));
        Assert.Equal(3, poller.Next(there).Header.Slice);
        there.Dispose();
        await Assert.ThrowsAsync<LinkException>(() => ConnectAsync(_listener, "late"));
    }

    private LinkListener Listen(Func<string, bool> admits, ILogger? log = null) => new(
        new(IPAddress.Loopback, 0), PipePair.Job, PipePair.Token, admits, (name, pipe) => _established.Writer.TryWrite((name, pipe)),
        new WorkerMetrics(_registry, "cpu").Links, log ?? _log, new() { Time = _time });

    private async Task Crowded(int count)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await Exposition.Of(_registry))["distributed_refused_connections_total{plane=\"links\",reason=\"crowded\"}"] < count)
            await Task.Delay(10, timeout.Token);
    }

    /// <summary>0 at the end of the connection, also after a reset.</summary>
    private static async Task<int> ReceivedAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).Soon();
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private static Task<IFramePipe> ConnectAsync(LinkListener listener, string name) =>
        LinkHandshake.ConnectAsync("127.0.0.1", listener.Port, new(PipePair.Job, PipePair.Token, name), new(), default).Soon();

    private async Task<Socket> ConnectRawAsync(LinkListener? listener = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, (listener ?? _listener).Port);
        return socket;
    }

    private sealed class Lines : ILogger
    {
        private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

        public ConcurrentQueue<string> All { get; } = [];

        public Task<string> NextAsync() => _lines.Reader.ReadAsync().AsTask().Soon();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel level, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format)
        {
            All.Enqueue(format(state, exception));
            _lines.Writer.TryWrite(format(state, exception));
        }
    }
}
