using System.Net;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Microsoft.AspNetCore.Http;

namespace Distributed.Shared.Tests.Metrics;

/// <summary>Commands, host names and tokens.</summary>
public sealed partial class StatusServerTests
{
    private readonly List<string> _done = [];
    private int _refused;

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

    [Fact]
    public async Task A_caller_with_the_token_runs_the_command_and_gets_its_answer()
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
    public async Task A_caller_without_the_token_is_refused(string? authorization)
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
    public async Task A_command_needs_its_parameter(string path)
    {
        await using var server = await StartWithCommand();
        using var refused = await Command(server, path, "Bearer 00ff7a");
        Assert.Equal((HttpStatusCode.BadRequest, "/drain needs ?worker= once"),
            (refused.StatusCode, await refused.Content.ReadAsStringAsync()));
        Assert.Empty(_done);
    }

    [Theory]
    [InlineData("GET", "/drain?worker=worker-2", "POST")]
    [InlineData("PUT", "/drain?worker=worker-2", "POST")]
    [InlineData("POST", "/metrics?worker=worker-2", "GET, HEAD")]
    [InlineData("POST", "/Drain?worker=worker-2", "GET, HEAD")]
    public async Task Reading_runs_no_command_and_other_paths_accept_no_command(string method, string path, string allowed)
    {
        await using var server = await StartWithCommand();
        using var refused = await Command(server, path, "Bearer 00ff7a", method);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
        Assert.Equal(allowed, string.Join(", ", refused.Content.Headers.Allow));
        Assert.Empty(_done);
    }

    [Fact]
    public async Task A_command_is_only_for_this_machine_and_needs_no_reader_token()
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Token = ReaderToken.New(),
            Command = new(
                "/drain", "worker", new byte[] { 1 }, (worker, _) => Task.FromResult(new StatusAnswer(200, worker)), () => _refused++),
        });
        using var done = await Command(server, "/drain?worker=worker-2", "Bearer 01");
        Assert.Equal("worker-2", await done.Content.ReadAsStringAsync());
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
    public async Task The_server_answers_only_under_its_own_names(string host, bool isAnswered)
    {
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Names = new(["coordinator-0.coordinator.distributed.svc", null, "proxy.example"]),
            Pages = new Dictionary<string, RequestDelegate>
            {
                ["/files/model.safetensors"] = context => context.Response.WriteAsync("a model"),
            },
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
    public async Task Requests_to_the_address_of_a_pod_are_answered()
    {
        await using var server = await StatusServer.StartAsync(
            "0.0.0.0", 0, _registry, () => _reason, new() { Names = new(["coordinator-0.coordinator.distributed.svc"]) });
        var pod = new Uri($"http://127.0.0.2:{server.Address.Port}");
        Assert.Equal("ok", await _client.GetStringAsync(new Uri(pod, "/healthz")));
        Assert.Contains(MetricNames.RefusedConnections, await _client.GetStringAsync(new Uri(pod, "/metrics")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reading_needs_the_token_if_there_is_one()
    {
        var token = ReaderToken.Of("the token of the job"u8);
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, _registry, () => _reason, new()
        {
            Token = token,
            Pages = new Dictionary<string, RequestDelegate>
            {
                ["/"] = context => context.Response.WriteAsync("a page"),
                ["/files/history.csv"] = context => context.Response.WriteAsync("a history"),
            },
        });
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false };
        using var client = new HttpClient(handler);
        var wrong = ReaderToken.New();
        string[] paths =
        [
            "/", "/files/history.csv", "/metrics", "/healthz", "/nowhere",
            $"/?token={wrong}", "/?token=", $"/?token={token}&token={token}",
        ];
        foreach (var path in paths)
        {
            using var refused = await client.GetAsync(new Uri(server.Address, path));
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.False(refused.Headers.Contains("Set-Cookie"));
        }
        Assert.Equal(8, (await Exposition.Of(_registry))["distributed_refused_requests_total{reason=\"token\"}"]);

        // The printed address, and the next request of the browser.
        using var shown = await client.GetAsync(new Uri(server.Address, $"/?token={token}"));
        Assert.Equal((HttpStatusCode.Found, "/"), (shown.StatusCode, $"{shown.Headers.Location}"));
        Assert.Matches($"^distributed-{server.Address.Port}={token}; path=/; samesite=strict; httponly$",
            Assert.Single(shown.Headers.GetValues("Set-Cookie")));
        Assert.Equal("a history", await client.GetStringAsync(new Uri(server.Address, "/files/history.csv")));
        using var bearer = await Command(server, "/files/history.csv", $"Bearer {token}", "GET");
        Assert.Equal(HttpStatusCode.OK, bearer.StatusCode);
        using var other = await Command(server, "/files/history.csv", $"Bearer {wrong}", "GET");
        Assert.Equal(HttpStatusCode.Unauthorized, other.StatusCode);
    }

    [Fact]
    public void The_token_of_a_page_is_stable_and_unique_to_the_job()
    {
        Assert.Equal($"{ReaderToken.Of("a"u8)}", $"{ReaderToken.Of("a"u8)}");
        Assert.NotEqual($"{ReaderToken.Of("a"u8)}", $"{ReaderToken.Of("b"u8)}");
        Assert.Matches("^[0-9a-f]{32}$", $"{ReaderToken.New()}");
    }
}
