using System.Net;
using System.Net.Sockets;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

public sealed class StatusServerTests : IDisposable
{
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly List<string> _done = [];
    private string? _reason;
    private int _refused;

    public void Dispose() => _client.Dispose();

    private Task<StatusServer> Start(int port = 0) => StatusServer.StartAsync("127.0.0.1", port, _registry, () => _reason);

    private Task<StatusServer> StartWithCommand() => StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
    {
        Command = new(
            "/drain", "worker", new byte[] { 0x00, 0xff, 0x7a },
            (worker, _) =>
            {
                _done.Add(worker);
                return Task.FromResult(new StatusAnswer(202, $"did {worker}"));
            },
            () => _refused++),
    });

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
    public async Task Two_servers_stand_beside_each_other()
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
    public async Task Nothing_but_reading_is_allowed(string method)
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
    public async Task Who_holds_the_token_gives_the_command_and_hears_what_comes_of_it()
    {
        await using var server = await StartWithCommand();
        using var done = await Command(server, "/drain?worker=worker-2", "Bearer 00ff7A");
        Assert.Equal((HttpStatusCode.Accepted, "did worker-2"), (done.StatusCode, await done.Content.ReadAsStringAsync()));
        Assert.Equal(["worker-2"], _done);
        Assert.Equal(0, _refused);
        await Answers(server, "/healthz", HttpStatusCode.OK, "ok");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer 00ff7b")]
    [InlineData("Bearer 00ff")]
    [InlineData("Bearer 00ff7a00")]
    [InlineData("Bearer 00ff7g")]
    [InlineData("Bearer \"00ff7a\"")]
    [InlineData("Basic 00ff7a")]
    [InlineData("00ff7a")]
    public async Task Who_does_not_hold_the_token_does_not(string? authorization)
    {
        await using var server = await StartWithCommand();
        using var refused = await Command(server, "/drain?worker=worker-2", authorization);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
        Assert.Empty(_done);
        Assert.Equal(1, _refused);
    }

    [Theory]
    [InlineData("/drain")]
    [InlineData("/drain?worker=")]
    [InlineData("/drain?other=worker-2")]
    [InlineData("/drain?worker=a&worker=b")]
    public async Task A_command_needs_to_know_for_whom(string path)
    {
        await using var server = await StartWithCommand();
        using var refused = await Command(server, path, "Bearer 00ff7a");
        Assert.Equal((HttpStatusCode.BadRequest, "/drain needs ?worker= once"), (refused.StatusCode, await refused.Content.ReadAsStringAsync()));
        Assert.Empty(_done);
    }

    [Theory]
    [InlineData("GET", "/drain?worker=worker-2", "POST")]
    [InlineData("PUT", "/drain?worker=worker-2", "POST")]
    [InlineData("POST", "/metrics?worker=worker-2", "GET, HEAD")]
    [InlineData("POST", "/Drain?worker=worker-2", "GET, HEAD")]
    public async Task To_read_gives_no_command_and_a_command_is_given_nowhere_else(string method, string path, string allowed)
    {
        await using var server = await StartWithCommand();
        using var refused = await Command(server, path, "Bearer 00ff7a", method);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
        Assert.Equal(allowed, string.Join(", ", refused.Content.Headers.Allow));
        Assert.Empty(_done);
    }

    [Fact]
    public async Task A_page_is_read_at_its_exact_path_and_nowhere_else()
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
    public async Task Head_is_answered_without_a_body()
    {
        await using var server = await Start();
        using var request = new HttpRequestMessage(HttpMethod.Head, new Uri(server.Address, "/metrics"));
        using var response = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Pages_are_answered_at_exactly_their_paths_to_who_reads_and_hide_nothing()
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
    public async Task Requests_beyond_the_limits_are_refused_and_the_server_goes_on()
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
    public async Task Strangers_who_say_nothing_or_half_of_something_keep_no_probe_out()
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
        // The server takes in connections by several threads: one that came before a probe may be counted after its answer.
        Assert.InRange(await CrowdedOutAsync(atLeast: 64), 64, 66);
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [Fact]
    public async Task A_connection_whose_answer_is_on_its_way_is_not_closed_for_strangers()
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

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LocalHost:9464", true)]
    [InlineData("127.0.0.1:9464", true)]
    [InlineData("[::1]:9464", true)]
    [InlineData("coordinator-0.coordinator.distributed.svc:9464", true)]
    [InlineData("coordinator-0.coordinator.distributed.svc.", true)]
    [InlineData("proxy.example", true)]
    [InlineData("attacker.example", false)]
    [InlineData("localhost.attacker.example", false)]
    [InlineData("192.0.2.9", false)]
    public async Task It_answers_under_its_own_names_alone(string host, bool isAnswered)
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Names = new(["coordinator-0.coordinator.distributed.svc", null, "proxy.example"]),
            Pages = new Dictionary<string, RequestDelegate> { ["/files/model.safetensors"] = context => context.Response.WriteAsync("a model") },
        });
        foreach (var path in (string[])["/metrics", "/healthz", "/files/model.safetensors", "/nowhere"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path)) { Headers = { Host = host } };
            using var response = await _client.SendAsync(request);
            Assert.Equal(isAnswered, response.StatusCode != HttpStatusCode.MisdirectedRequest);
            if (!isAnswered) Assert.DoesNotContain("a model", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(isAnswered ? 0 : 4, (await Exposition.Of(_registry))["distributed_refused_requests_total{reason=\"host\"}"]);
    }

    [Fact]
    public async Task A_kubelet_and_prometheus_ask_under_the_address_of_the_pod()
    {
        await using var server = await StatusServer.StartAsync("0.0.0.0", 0, _registry, () => _reason, new() { Names = new(["coordinator-0.coordinator.distributed.svc"]) });
        var pod = new Uri($"http://127.0.0.2:{server.Address.Port}");
        Assert.Equal("ok", await _client.GetStringAsync(new Uri(pod, "/healthz")));
        Assert.Contains(MetricNames.RefusedConnections, await _client.GetStringAsync(new Uri(pod, "/metrics")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_a_token_is_needed_nothing_is_read_without()
    {
        var token = ReaderToken.Of("the token of the job"u8);
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Token = token,
            Pages = new Dictionary<string, RequestDelegate> { ["/"] = context => context.Response.WriteAsync("a page"), ["/files/history.csv"] = context => context.Response.WriteAsync("a history") },
        });
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false };
        using var client = new HttpClient(handler);
        var wrong = ReaderToken.New();
        foreach (var path in (string[])["/", "/files/history.csv", "/metrics", "/healthz", "/nowhere", $"/?token={wrong}", "/?token=", $"/?token={token}&token={token}"])
        {
            using var refused = await client.GetAsync(new Uri(server.Address, path));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.False(refused.Headers.Contains("Set-Cookie"));
        }
        Assert.Equal(8, (await Exposition.Of(_registry))["distributed_refused_requests_total{reason=\"token\"}"]);

        // The address that was printed, and what the browser asks then.
        using var shown = await client.GetAsync(new Uri(server.Address, $"/?token={token}"));
        Assert.Equal((HttpStatusCode.Found, "/"), (shown.StatusCode, $"{shown.Headers.Location}"));
        Assert.Matches($"^distributed-{server.Address.Port}={token}; path=/; samesite=strict; httponly$", Assert.Single(shown.Headers.GetValues("Set-Cookie")));
        Assert.Equal("a history", await client.GetStringAsync(new Uri(server.Address, "/files/history.csv")));
        using var bearer = await Command(server, "/files/history.csv", $"Bearer {token}", "GET");
        Assert.Equal(HttpStatusCode.OK, bearer.StatusCode);
        using var other = await Command(server, "/files/history.csv", $"Bearer {wrong}", "GET");
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
    }

    [Fact]
    public void The_token_of_a_page_stays_and_is_another_for_each_job()
    {
        Assert.Equal($"{ReaderToken.Of("a"u8)}", $"{ReaderToken.Of("a"u8)}");
        Assert.NotEqual($"{ReaderToken.Of("a"u8)}", $"{ReaderToken.Of("b"u8)}");
        Assert.Matches("^[0-9a-f]{32}$", $"{ReaderToken.New()}");
    }

    [Fact]
    public async Task A_command_is_for_this_machine_alone_and_needs_no_token_of_a_reader()
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Token = ReaderToken.New(),
            Command = new("/drain", "worker", new byte[] { 1 }, (worker, _) => Task.FromResult(new StatusAnswer(200, worker)), () => _refused++),
        });
        using var done = await Command(server, "/drain?worker=worker-2", "Bearer 01");
        Assert.Equal("worker-2", await done.Content.ReadAsStringAsync());
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
    public Task A_place_that_cannot_be_is_refused(string host, int port) =>
        Assert.ThrowsAnyAsync<ArgumentException>(() => StatusServer.StartAsync(host, port, _registry, () => null));

    private async Task<double> CrowdedOutAsync(int atLeast)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            var count = (await Exposition.Of(_registry))["distributed_refused_connections_total{plane=\"http\",reason=\"crowded\"}"];
            if (count >= atLeast) return count;
            await Task.Delay(10, patience.Token);
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
