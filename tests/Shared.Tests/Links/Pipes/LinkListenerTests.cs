using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Distributed.Shared.Links;
using Distributed.Shared.Metrics;
using Distributed.Shared.Tests.Metrics;
using Microsoft.Extensions.Logging;
using Prometheus;
using ILogger = Microsoft.Extensions.Logging.ILogger;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class LinkListenerTests : IDisposable
{
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly Channel<(string Name, IFramePipe Pipe)> _established = Channel.CreateUnbounded<(string, IFramePipe)>();
    private readonly Lines _log = new();
    private readonly LinkListener _listener;

    public LinkListenerTests() => _listener = Listen(_ => true);

    public void Dispose() => _listener.Dispose();

    [Fact]
    public async Task Every_connection_that_greets_becomes_a_pipe()
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
    public async Task Strangers_are_kept_to_their_number_and_make_room_when_they_go()
    {
        var strangers = new List<Socket>();
        for (var i = 0; i < LinkListener.MaxStrangers; i++) strangers.Add(await ConnectRawAsync());
        using (var tooMany = await ConnectRawAsync()) Assert.Equal(0, await tooMany.ReceiveAsync(new byte[1]).Soon());
        Assert.EndsWith("refused: more than 64 connections that have not said who they are", await _log.NextAsync(), StringComparison.Ordinal);
        strangers.ForEach(s => s.Dispose());
        for (var i = 0; i < strangers.Count; i++)
            Assert.EndsWith("closed the connection before it said who it is", await _log.NextAsync(), StringComparison.Ordinal);
        using var pipe = await ConnectAsync(_listener, "worker");
        (await _established.Reader.ReadAsync().AsTask().Soon()).Pipe.Dispose();
    }

    [Fact]
    public async Task After_it_is_closed_established_pipes_live_on_and_nothing_new_comes()
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

    private LinkListener Listen(Func<string, bool> admits) => new(
        new(IPAddress.Loopback, 0), PipePair.Job, PipePair.Token, admits, (name, pipe) => _established.Writer.TryWrite((name, pipe)),
        new WorkerMetrics(_registry, "cpu").Links, _log, new());

    private static Task<IFramePipe> ConnectAsync(LinkListener listener, string name) =>
        LinkHandshake.ConnectAsync("127.0.0.1", listener.Port, new(PipePair.Job, PipePair.Token, name), new(), default).Soon();

    private async Task<Socket> ConnectRawAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, _listener.Port);
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
