using System.Text;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Protocol;
using Distributed.Hosting.Status;
using Microsoft.AspNetCore.Http;

namespace Distributed.Coordinator.Tests.Metering;

public sealed class ScrapeTargetsTests
{
    private static readonly LinkEndpoint _coordinator = new("127.0.0.1", 9464);

    private readonly ScrapeTargets _targets = new();

    [Fact]
    public void The_coordinator_and_the_connected_workers_are_listed_in_the_format_of_http_sd()
    {
        _targets.Add("worker-2", new("10.0.0.2", 1));
        _targets.Add("worker-1", new("fe80::1", 65_535));
        _targets.Add("gone", new("host.example", 4711));
        _targets.Remove("gone");
        _targets.Remove("unknown");
        Assert.Equal(
            """[{"targets":["127.0.0.1:9464"],"labels":{}},{"targets":["[fe80::1]:65535"],"labels":{"worker":"worker-1"}},"""
                + """{"targets":["10.0.0.2:1"],"labels":{"worker":"worker-2"}}]""",
            Text());
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData(null, 1)]
    [InlineData("10.0.0.1", 0)]
    [InlineData("10.0.0.1", -1)]
    [InlineData("10.0.0.1", 65_536)]
    [InlineData("10.0.0.1/metrics?", 1)]
    [InlineData("user@host", 1)]
    [InlineData("a b", 1)]
    [InlineData("\"", 1)]
    public void An_invalid_address_is_left_out(string? host, int port)
    {
        _targets.Add("worker", new(host!, port));
        Assert.Equal("""[{"targets":["127.0.0.1:9464"],"labels":{}}]""", Text());
    }

    [Fact]
    public void A_host_name_that_is_too_long_is_left_out()
    {
        _targets.Add("worker", new(new('x', LinkEndpoint.MaxHostLength + 1), 1));
        Assert.DoesNotContain("worker", Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_targets_are_served_with_the_address_of_the_server()
    {
        _targets.Add("worker-1", new("127.0.0.1", 4711));
        await using var server = await StatusServer.StartAsync("127.0.0.1", 0, Prometheus.Metrics.NewCustomRegistry(), () => null,
            new() { Pages = new Dictionary<string, RequestDelegate> { [ScrapeTargets.Path] = _targets.AnswerAsync } });
        using var client = new HttpClient();
        using var answer = await client.GetAsync(new Uri(server.Address, ScrapeTargets.Path));
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.ToString());
        Assert.Equal(Encoding.UTF8.GetString(_targets.ToJson(new("127.0.0.1", server.Address.Port))),
            await answer.Content.ReadAsStringAsync());
    }

    private string Text() => Encoding.UTF8.GetString(_targets.ToJson(_coordinator));
}
