using System.Net;
using System.Net.Sockets;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

public sealed partial class StatusServerTests : IDisposable
{
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private string? _reason;

    public void Dispose() => _client.Dispose();

    private Task<StatusServer> Start(int port = 0) => StatusServer.StartAsync("127.0.0.1", port, _registry, () => _reason);

    private async Task<HttpResponseMessage> Command(StatusServer server, string path, string? authorization, string method = "POST")
    {
        using var request = new HttpRequestMessage(new(method), new Uri(server.Address, path));
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return await _client.SendAsync(request);
    }

    private Task<HttpResponseMessage> Get(StatusServer server, string path) => _client.GetAsync(new Uri(server.Address, path));

    [Fact]
    public async Task Metrics_are_exported_in_the_text_format()
    {
        new TrainingMetrics(_registry).GenerationBegan(5);
        await using var server = await Start();
        using var response = await Get(server, "/metrics");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        var page = Exposition.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal(5, page[MetricNames.Generation]);
        Assert.Equal("gauge", page.Types[MetricNames.Generation]);
        Assert.NotEmpty(page.Help[MetricNames.Generation]);
    }

    [Fact]
    public async Task Readiness_flips_with_its_reason_and_health_stays()
    {
        await using var server = await Start();
        await Answers(server, "/readyz", HttpStatusCode.OK, "ok");
        _reason = "waits for 2 more workers";
        await Answers(server, "/readyz", HttpStatusCode.ServiceUnavailable, _reason);
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        _reason = null;
        await Answers(server, "/readyz", HttpStatusCode.OK, "ok");
    }

    [Fact]
    public async Task Two_servers_run_side_by_side()
    {
        var other = Prometheus.Metrics.NewCustomRegistry();
        new TrainingMetrics(_registry).GenerationBegan(1);
        new TrainingMetrics(other).GenerationBegan(2);
        await using var first = await Start();
        await using var second = await StatusServer.StartAsync("127.0.0.1", 0, other, () => null);
        Assert.NotEqual(first.Address, second.Address);
        Assert.Equal(1, Exposition.Parse(await _client.GetStringAsync(new Uri(first.Address, "/metrics")))[MetricNames.Generation]);
        Assert.Equal(2, Exposition.Parse(await _client.GetStringAsync(new Uri(second.Address, "/metrics")))[MetricNames.Generation]);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    public async Task Only_reading_is_allowed(string method)
    {
        await using var server = await Start();
        foreach (var path in new[] { "/metrics", "/healthz", "/readyz", "/elsewhere" })
        {
            using var request = new HttpRequestMessage(new(method), new Uri(server.Address, path));
            if (method is "POST" or "PUT") request.Content = new StringContent("state=stolen");
            using var response = await _client.SendAsync(request);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
            Assert.Equal(["GET", "HEAD"], response.Content.Headers.Allow.Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task A_page_is_served_only_at_its_exact_path()
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason,
            new() { Pages = new Dictionary<string, RequestDelegate> { ["/page"] = context => context.Response.WriteAsync("a page") } });
        await Answers(server, "/page", HttpStatusCode.OK, "a page");
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        foreach (var path in new[] { "/page/", "/Page", "/pages" })
        {
            using var missing = await Get(server, path);
            Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        }
        using var refused = await Command(server, "/page", null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
    }

    [Fact]
    public async Task HEAD_is_answered_without_a_body()
    {
        await using var server = await Start();
        using var request = new HttpRequestMessage(HttpMethod.Head, new Uri(server.Address, "/metrics"));
        using var response = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Pages_are_served_to_readers_and_do_not_hide_the_built_in_paths()
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Pages = new Dictionary<string, RequestDelegate>
            {
                ["/"] = context => context.Response.WriteAsync("a page"),
                ["/deep/page"] = context => context.Response.WriteAsync($"to {context.Request.Method}"),
                ["/healthz"] = context => context.Response.WriteAsync("hidden"),
            },
        });
        await Answers(server, "/", HttpStatusCode.OK, "a page");
        await Answers(server, "/deep/page?x=1", HttpStatusCode.OK, "to GET");
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        await Answers(server, "/deep", HttpStatusCode.NotFound, "there are /metrics, /healthz, /readyz, /, /deep/page, /healthz");
        foreach (var path in new[] { "/deep/page/", "/Deep/page", "/deep/page/x" })
        {
            using var missed = await Get(server, path);
            Assert.Equal(HttpStatusCode.NotFound, missed.StatusCode);
        }
        using var written = await Command(server, "/deep/page", null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, written.StatusCode);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/metrics/")]
    [InlineData("/Metrics")]
    [InlineData("/healthz/../../etc/passwd")]
    [InlineData("/debug/pprof")]
    public async Task Everything_else_is_not_found(string path)
    {
        await using var server = await Start();
        using var response = await Get(server, path);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Fact]
    public async Task Requests_beyond_the_limits_are_refused()
    {
        await using var server = await Start();
        using var longLine = await Get(server, "/metrics?" + new string('x', StatusServer.MaxRequestLine));
        Assert.Equal(HttpStatusCode.RequestUriTooLong, longLine.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/metrics"));
        request.Headers.Add("Cookie", new string('x', StatusServer.MaxRequestHeaders));
        using var bigHeaders = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, bigHeaders.StatusCode);
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
    }

    [Fact]
    public async Task Silent_strangers_do_not_block_probes()
    {
        await using var server = await Start();
        List<Socket> strangers = [];
        for (var i = 0; i < StatusServer.MaxConnections + 64; i++)
        {
            strangers.Add(await ConnectRaw(server));
            if (i % 2 == 0) await strangers[^1].SendAsync("GET /healthz HTTP/1.1\r\nHost: 127"u8.ToArray());
        }
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        await Answers(server, "/readyz", HttpStatusCode.OK, "ok");
        // Several threads accept connections: one that arrived before a probe may be counted after its answer.
        Assert.InRange(await CrowdedOutAsync(atLeast: 64), 64, 66);
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [Fact]
    public async Task A_connection_with_an_answer_in_progress_is_not_closed()
    {
        TaskCompletionSource asked = new(), answer = new();
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Pages = new Dictionary<string, RequestDelegate>
            {
                ["/slow"] = async context =>
                {
                    asked.SetResult();
                    await answer.Task;
                    await context.Response.WriteAsync("at last");
                },
            },
        });
        var slow = Get(server, "/slow");
        await asked.Task;
        List<Socket> strangers = [];
        for (var i = 0; i < 2 * StatusServer.MaxConnections; i++) strangers.Add(await ConnectRaw(server));
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        answer.SetResult();
        using var response = await slow;
        Assert.Equal("at last", await response.Content.ReadAsStringAsync());
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [Fact]
    public async Task A_disposed_server_frees_its_port()
    {
        var server = await Start();
        var port = server.Address.Port;
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
        await server.DisposeAsync();
        await using var next = await Start(port);
        Assert.Equal(port, next.Address.Port);
        await Answers(next, "/healthz", HttpStatusCode.OK, "ok");
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        await using var server = await Start();
        var error = await Assert.ThrowsAsync<IOException>(() => Start(server.Address.Port));
        Assert.Contains($"127.0.0.1, port {server.Address.Port}", error.Message);
        Assert.Contains("in use", error.Message);
    }

    [Fact]
    public async Task An_address_of_another_machine_is_named()
    {
        var error = await Assert.ThrowsAsync<IOException>(() => StatusServer.StartAsync("192.0.2.1", 0, _registry, () => null));
        Assert.Contains("192.0.2.1", error.Message);
        Assert.Contains("Give an address of this machine", error.Message);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("127.0.0.1", -1)]
    [InlineData("127.0.0.1", 65536)]
    public Task An_invalid_address_is_refused(string host, int port) =>
        Assert.ThrowsAnyAsync<ArgumentException>(() => StatusServer.StartAsync(host, port, _registry, () => null));

    private async Task<double> CrowdedOutAsync(int atLeast)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            var count = (await Exposition.Of(_registry))["distributed_refused_connections_total{plane=\"http\",reason=\"crowded\"}"];
            if (count >= atLeast) return count;
            await Task.Delay(10, timeout.Token);
        }
    }

    private static async Task<Socket> ConnectRaw(StatusServer server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        return socket;
    }

    private async Task Answers(StatusServer server, string path, HttpStatusCode status, string body)
    {
        using var response = await Get(server, path);
        Assert.Equal((status, body), (response.StatusCode, await response.Content.ReadAsStringAsync()));
    }
}
