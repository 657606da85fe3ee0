using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;
using k8s;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>The monitoring manifests that are applied beside a cluster.</summary>
public sealed class MonitoringTests
{
    private static readonly JsonSerializerOptions _json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    [Fact]
    public async Task All_pods_are_scraped_and_workers_keep_their_names()
    {
        var (additions, cluster) = (await Manifests.OfAsync("monitoring"), await Manifests.OfAsync("cpu"));
        var monitor = additions.One<PodMonitor>("distributed");
        var endpoint = Assert.Single(monitor.Spec.PodMetricsEndpoints);
        Assert.Equal(("/metrics", true), (endpoint.Path, endpoint.HonorLabels));
        var relabeling = Assert.Single(endpoint.Relabelings);
        Assert.Equal(["__meta_kubernetes_pod_label_app_kubernetes_io_component", "__meta_kubernetes_pod_name"], relabeling.SourceLabels);
        foreach (var set in cluster.Sets)
        {
            using var pod = new Pod(cluster, set);
            Assert.Equal(monitor.Metadata.NamespaceProperty, set.Metadata.NamespaceProperty);
            Assert.All(monitor.Spec.Selector.MatchLabels, label => Assert.Equal(label.Value, pod.Labels[label.Key]));
            Assert.True(pod.Port(endpoint.Port) > 0);
            // Prometheus anchors expressions at both ends.
            var match = Regex.Match($"{pod.Labels["app.kubernetes.io/component"]};{pod.Name}", $"^(?:{relabeling.Regex})$");
            Assert.Equal(set.Metadata.Name == "worker" ? pod.Name : "", match.Groups[1].Value);
        }
    }

    [Fact]
    public async Task The_alerts_equal_those_beside_the_dashboards()
    {
        var rule = (await Manifests.OfAsync("monitoring")).One<PrometheusRule>("distributed");
        var expected = KubernetesYaml.Deserialize<PrometheusRuleSpec>(Repository.Read("grafana/alerts/distributed.rules.yaml"),
            strict: true);
        Assert.NotEmpty(expected.Groups);
        Assert.Equal(Text(expected), Text(rule.Spec));
    }

    [Fact]
    public async Task Prometheus_accepts_the_alerts()
    {
        var rule = (await Manifests.OfAsync("monitoring")).One<PrometheusRule>("distributed");
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["rules.yaml"], Text(rule.Spec));
        await Tool.RunAsync("promtool", "check", "rules", folder["rules.yaml"]);
    }

    [Fact]
    public async Task Dashboards_are_found_by_their_label()
    {
        var maps = (await Manifests.OfAsync("monitoring")).All<V1ConfigMap>();
        Assert.All(maps, map => Assert.Equal("1", map.Metadata.Labels["grafana_dashboard"]));
        Assert.Equal(
            Directory.EnumerateFiles(Repository.At("grafana/dashboards"), "*.json").Select(File.ReadAllText).Order(StringComparer.Ordinal),
            maps.SelectMany(map => map.Data.Values).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_autoscaler_requests_as_many_workers_as_there_is_work_for()
    {
        var (additions, cluster) = (await Manifests.OfAsync("autoscaling"), await Manifests.OfAsync("cpu"));
        var scaled = Assert.Single(additions.All<ScaledObject>());
        Assert.Equal(nameof(V1StatefulSet)[2..], scaled.Spec.ScaleTargetRef.Kind);
        Assert.Equal(cluster.One<V1StatefulSet>(scaled.Spec.ScaleTargetRef.Name).ApiVersion, scaled.Spec.ScaleTargetRef.ApiVersion);
        Assert.Equal(0, scaled.Spec.MinReplicaCount);
        var trigger = Assert.Single(scaled.Spec.Triggers);
        Assert.Equal("1800", trigger.Metadata["threshold"]);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["test.yaml"], TestOf(trigger.Metadata["query"]));
        await Tool.RunAsync("promtool", "test", "rules", folder["test.yaml"]);
    }

    private static string Text(PrometheusRuleSpec rules) => JsonSerializer.Serialize(rules, _json);

    /// <summary>The result of the query while four workers need half an hour more, before that is known, and after the run.</summary>
    private static string TestOf(string query) => $$"""
        evaluation_interval: 1m
        tests:
          - input_series:
              - { series: 'distributed_step{instance="c"}', values: '7' }
              - { series: 'distributed_time_left_seconds{instance="c"}', values: '1800' }
              - { series: 'distributed_workers{instance="c",state="active"}', values: '4' }
              - { series: 'distributed_workers{instance="c",state="preparing"}', values: '1' }
            promql_expr_test: [{ expr: '{{query}}', eval_time: 0m, exp_samples: [{ labels: '{}', value: 7200 }] }]
          - input_series:
              - { series: 'distributed_step{instance="c"}', values: '0' }
              - { series: 'distributed_workers{instance="c",state="active"}', values: '0' }
            promql_expr_test: [{ expr: '{{query}}', eval_time: 0m, exp_samples: [{ labels: '{}', value: 1800 }] }]
          - input_series:
              - { series: 'up{instance="c"}', values: '1' }
            promql_expr_test: [{ expr: '{{query}}', eval_time: 0m, exp_samples: [] }]
        """;
}
