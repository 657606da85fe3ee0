using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Status;
using Distributed.Jobs;

namespace Distributed.Coordinator.Tests.Live;

public sealed partial class LivePageTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly LiveRun _run = LiveRun.Of("digits", Job.Default);
    private readonly HttpClient _client = new() { Timeout = Patience.Limit };
    private readonly LivePage _page;
    private StatusServer _server = null!;

    public LivePageTests() => _page = new(_run, _folder.Path);

    public async ValueTask InitializeAsync() =>
        _server = await StatusServer.StartAsync(
            "127.0.0.1", 0, Prometheus.Metrics.NewCustomRegistry(), () => null, new() { Pages = _page.Pages });

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _page.DisposeAsync();
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Every_asset_has_a_strict_policy_and_loads_nothing_from_elsewhere()
    {
        foreach (var path in _page.Pages.Keys.Where(
            path => path != LivePage.Events && !path.StartsWith(LiveFiles.Root, StringComparison.Ordinal)))
        {
            using var response = await Get(path);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
            Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'", policy,
                StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
            var text = await response.Content.ReadAsStringAsync();
            Assert.NotEmpty(text);
            Assert.DoesNotMatch(Elsewhere(), text);
        }
    }

    [Theory]
    [InlineData("/", "text/html; charset=utf-8")]
    [InlineData("/live.css", "text/css; charset=utf-8")]
    [InlineData("/live.js", "text/javascript; charset=utf-8")]
    [InlineData("/uplot.js", "text/javascript; charset=utf-8")]
    [InlineData("/favicon.svg", "image/svg+xml")]
    public async Task An_asset_has_its_content_type(string path, string type)
    {
        using var response = await Get(path);
        Assert.Equal(type, response.Content.Headers.ContentType?.ToString());
        using var head = await _client.SendAsync(new(HttpMethod.Head, new Uri(_server.Address, path)));
        Assert.Equal((HttpStatusCode.OK, response.Content.Headers.ContentLength), (head.StatusCode, head.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task Files_of_the_run_are_served_unchanged()
    {
        var bytes = new byte[1_000_000];
        Random.Shared.NextBytes(bytes);
        await File.WriteAllBytesAsync(_folder["model.safetensors"], bytes);
        // Open for writing, as by the coordinator.
        var file = new FileStream(_folder["history.csv"], FileMode.Create, FileAccess.Write, FileShare.Read);
        using var history = new StreamWriter(file) { AutoFlush = true };
        history.Write("step\n1\n");
        Assert.Equal(bytes, await _client.GetByteArrayAsync(new Uri(_server.Address, "/files/model.safetensors")));
        Assert.Equal("step\n1\n", await _client.GetStringAsync(new Uri(_server.Address, "/files/history.csv")));
        history.Write("2\n");
        using var response = await Get("/files/history.csv");
        Assert.Equal("step\n1\n2\n", await response.Content.ReadAsStringAsync());
        Assert.Equal("attachment; filename=\"history.csv\"", response.Content.Headers.ContentDisposition?.ToString());
    }

    [Theory]
    [InlineData("/files/coordinator.json")]
    [InlineData("/files/run.lock")]
    [InlineData("/files/")]
    [InlineData("/files/../coordinator.json")]
    [InlineData("/files/%2e%2e/coordinator.json")]
    [InlineData("/files/..%2fcoordinator.json")]
    [InlineData("/files//coordinator.json")]
    [InlineData("/files/job.yaml/../coordinator.json")]
    [InlineData("/files/job.yaml%00")]
    [InlineData("/files/logs/coordinator.log")]
    [InlineData("/coordinator.json")]
    [InlineData("/files/report.json")]
    [InlineData("/index.html")]
    [InlineData("/README.md")]
    public async Task No_other_file_is_served(string path)
    {
        foreach (var name in (string[])["coordinator.json", "run.lock", "job.yaml"]) await File.WriteAllTextAsync(_folder[name], "secret");
        Directory.CreateDirectory(_folder["logs"]);
        await File.WriteAllTextAsync(_folder["logs/coordinator.log"], "secret");
        // Over a socket: HttpClient would normalize the path.
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _server.Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        var answer = await new StreamReader(stream).ReadToEndAsync().Soon();
        Assert.Matches("^HTTP/1.1 40[04] ", answer);
        Assert.DoesNotContain("secret", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_stream_begins_with_the_full_state_and_ends_with_the_run()
    {
        await File.WriteAllTextAsync(_folder["job.yaml"], "job");
        await File.WriteAllTextAsync(_folder["coordinator.json"], "secret");
        _run.Stepped(Row(1, 2));
        using var follower = await FollowAsync();
        using var first = await follower.NextAsync();
        Assert.Equal("digits", first!.RootElement.GetProperty("run").GetProperty("name").GetString());
        Assert.Equal(2, first.RootElement.GetProperty("train").GetProperty("last").GetDouble());
        Assert.Equal("""[{"name":"job.yaml","bytes":3}]""", first.RootElement.GetProperty("files").GetRawText());
        _run.Stepped(Row(2, double.NaN));
        using var second = await follower.NextAsync();
        Assert.Equal(JsonValueKind.Null, second!.RootElement.GetProperty("train").GetProperty("mean").EnumerateArray().Last().ValueKind);
        Assert.False(second.RootElement.TryGetProperty("run", out _));
        _run.Happened(new() { At = DateTimeOffset.UnixEpoch, Step = 2, Kind = RunEventKind.Failed, Text = "no worker is left" });
        _run.End();
        JsonDocument? last = null;
        while (await follower.NextAsync() is { } message) last = message;
        var status = last!.RootElement.GetProperty("status");
        Assert.Equal(("failed", "no worker is left"),
            (status.GetProperty("outcome").GetString(), status.GetProperty("reason").GetString()));
    }

    [Fact]
    public async Task Browsers_receive_the_end_before_the_server_stops()
    {
        using var follower = await FollowAsync();
        (await follower.NextAsync())!.Dispose();
        await _page.DisposeAsync();
        await _server.DisposeAsync();
        JsonDocument? last = null;
        while (await follower.NextAsync() is { } message) last = message;
        Assert.Equal("unfinished", last!.RootElement.GetProperty("status").GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task Too_many_pages_do_not_block_the_metrics()
    {
        var followers = new List<Follower>();
        for (var i = 0; i < LiveFeed.MaxClients; i++)
        {
            followers.Add(await FollowAsync());
            (await followers[i].NextAsync())!.Dispose();
        }
        for (var i = 0; i < 20; i++)
        {
            using var refused = await Get(LivePage.Events);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        }
        using var metrics = await Get("/metrics");
        Assert.Equal(HttpStatusCode.OK, metrics.StatusCode);
        // A page that closes makes room.
        followers[0].Dispose();
        await Patience.UntilAsync(() => IsAccepted().GetAwaiter().GetResult());
        followers.ForEach(follower => follower.Dispose());

        async Task<bool> IsAccepted()
        {
            using var head = await _client.SendAsync(new(HttpMethod.Head, new Uri(_server.Address, LivePage.Events)));
            return head.StatusCode == HttpStatusCode.OK;
        }
    }

    [Fact]
    public async Task Messages_are_not_queued_for_a_slow_reader()
    {
        using var follower = await FollowAsync();
        (await follower.NextAsync())!.Dispose();
        for (var i = 1; i <= 50_000; i++) _run.Stepped(Row(i, 1.0 / i));
        _run.End();
        var (messages, points) = (0, new CurveLength());
        while (await follower.NextAsync() is { } message)
        {
            messages++;
            points.Take(message.RootElement);
        }
        Assert.InRange(messages, 1, 200);
        Assert.InRange(points.Count, 1000, LiveRun.MaxPoints);
    }

    private Task<HttpResponseMessage> Get(string path) => _client.GetAsync(new Uri(_server.Address, path));

    private async Task<Follower> FollowAsync() =>
        new(await _client.GetAsync(new Uri(_server.Address, LivePage.Events), HttpCompletionOption.ResponseHeadersRead));

    private static HistoryRow Row(int step, double loss) =>
        new() { Step = step, Epoch = 1, Loss = loss, LearningRate = 0.1, GradientNorm = 1, SamplesPerSecond = 100 };

    /// <summary>A reference to another server in HTML, CSS or JavaScript.</summary>
    [GeneratedRegex(@"(src|href|url|from|import|fetch)[\s=('""]{1,4}(https?:)?//")]
    private static partial Regex Elsewhere();

    private sealed class CurveLength
    {
        public int Count { get; private set; }

        public void Take(JsonElement message)
        {
            if (message.TryGetProperty("train", out var train))
                Count = train.GetProperty("from").GetInt32() + train.GetProperty("steps").GetArrayLength();
        }
    }

    private sealed class Follower(HttpResponseMessage response) : IDisposable
    {
        private readonly StreamReader _reader = new(response.Content.ReadAsStream());

        /// <summary>The next message; null at the end event.</summary>
        public async Task<JsonDocument?> NextAsync()
        {
            Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
            var name = "message";
            while (await _reader.ReadLineAsync().Soon() is { } line)
            {
                if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line["event: ".Length..];
                else if (name == "end") return null;
                else if (name == "message" && line.StartsWith("data: ", StringComparison.Ordinal))
                    return JsonDocument.Parse(line["data: ".Length..]);
                else if (line.Length == 0) name = "message";
            }
            throw new EndOfStreamException("The stream has ended without its end event.");
        }

        public void Dispose()
        {
            _reader.Dispose();
            response.Dispose();
        }
    }
}
