using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests.Monitoring;

/// <summary>The files for Prometheus and Grafana, tested with the real Prometheus.</summary>
public sealed partial class MonitoringTests
{
    [Theory]
    [InlineData("", "check", "config", "prometheus.yml")]
    [InlineData("alerts", "check", "rules", "distributed.rules.yaml")]
    [InlineData("alerts", "test", "rules", "distributed.test.yaml")]
    public async Task Prometheus_accepts_its_files(string folder, params string[] arguments)
    {
        PrometheusServer.Require();
        await PrometheusServer.CheckAsync(BuiltFiles.Grafana(folder), "", arguments);
    }

    [Fact]
    public async Task A_run_that_loses_a_worker_and_gains_one_fills_every_panel()
    {
        PrometheusServer.Require();
        using var folder = new TemporaryFolder();
        var certificates = await Certificates.MakeAsync(folder);
        using var run = TrainingRun.Start(
            SmallJobs.Endless with { Checkpoint = new() { EverySteps = 20 } }, "--workers", "2", "--max-restarts", "0", "--certs",
            certificates);
        var coordinator = MetricsAt().Match((await run.Coordinator.LineAsync(MetricsAt())).Value).Groups[1].Value;
        using var prometheus = await PrometheusServer.StartAsync($$"""
            global: { scrape_interval: 500ms, evaluation_interval: 1s }
            rule_files: ["{{BuiltFiles.Grafana("alerts/distributed.rules.yaml")}}"]
            scrape_configs:
              - job_name: distributed
                honor_labels: true
                http_sd_configs:
                  - url: {{coordinator}}targets
                    refresh_interval: 1s
            """);
        await run.TrainsAsync();
        // Both workers must be scraped before they change: Prometheus misses what comes and goes between two scrapes.
        await EventuallyAsync(prometheus,
        [
            ("what the coordinator says of a worker", "distributed_behind_seconds_total{worker=\"worker-2\"}", null),
            ("what a worker says itself", "distributed_worker_rounds_total{worker=\"worker-2\"}", null),
        ]);
        var address = run.Worker("worker-1").Option("--coordinator")!;
        run.Worker("worker-2").Send(Signal.Kill);
        using var late = ProgramRun.Start(
            BuiltFiles.Worker, ["--coordinator", address, "--device", "cpu", "--name", "late", "--certs", certificates]);
        await EventuallyAsync(prometheus,
        [
            ("what is measured for others", "distributed_worker_reduce_seconds_total > 0", null),
            ("what the others waited for", "distributed_behind_seconds_total > 0", null),
            ("the newcomer", "distributed_worker_info{worker=\"late\"}", "device"),
            .. Dashboard.All.SelectMany(dashboard => dashboard.Expressions),
            // A silent alert is right, an alert on a metric that no process exports is not: every metric of an alert must exist.
            .. from rule in await prometheus.RulesAsync()
               from Match metric in MetricName().Matches(rule.Expression)
               select ($"alert '{rule.Name}'", metric.Value, (string?)null),
        ]);
        Assert.All(await prometheus.RulesAsync(), rule => Assert.NotEqual("err", rule.Health));
        Assert.NotEmpty(await prometheus.RulesAsync());

        using var client = new HttpClient { Timeout = ProgramRun.Timeout };
        var targets = JsonNode.Parse(await client.GetStringAsync($"{coordinator}targets"))!.AsArray();
        Assert.Equal([null, "late", "worker-1"], targets.Select(target => (string?)target!["labels"]!["worker"]));
        Assert.Equal(new Uri(coordinator).Authority, (string?)targets[0]!["targets"]![0]);
        foreach (var target in targets)
            await PrometheusServer.CheckAsync(
                BuiltFiles.Grafana(""), await client.GetStringAsync($"http://{target!["targets"]![0]}/metrics"), "check", "metrics");
    }

    /// <summary>Waits until each expression has had a series, and names those that have none.</summary>
    private static async Task EventuallyAsync(
        PrometheusServer prometheus, IReadOnlyList<(string Where, string Expression, string? Label)> expressions)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
        var missing = expressions.ToList();
        while (true)
        {
            foreach (var asked in missing.ToList())
                if ((await prometheus.SeriesAsync(asked.Expression)).Any(series => asked.Label is null || series[asked.Label] is not null))
                    missing.Remove(asked);
            if (missing.Count == 0) return;
            if (overdue.IsCancellationRequested)
                Assert.Fail($"No series for:\n{string.Join('\n', missing.Select(asked => $"{asked.Where}: {asked.Expression}"))}");
            await Task.Delay(TimeSpan.FromMilliseconds(200));
        }
    }

    [GeneratedRegex(@"(?i)\bmetrics at (http://\S+/)metrics")]
    private static partial Regex MetricsAt();

    [GeneratedRegex("distributed_[a-z_]+")]
    private static partial Regex MetricName();
}
