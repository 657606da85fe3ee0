using System.Text.RegularExpressions;

namespace Distributed.EndToEnd.Tests.Monitoring;

/// <summary>Checks dashboards without Grafana; <see cref="MonitoringTests"/> sends their expressions to Prometheus.</summary>
public sealed partial class DashboardTests
{
    // Columns of Grafana's grid.
    private const int Columns = 24;

    public static TheoryData<string> Names => [.. Dashboard.All.Select(dashboard => dashboard.Name)];

    [Fact]
    public void Each_has_a_unique_name_and_no_number()
    {
        Assert.Equal(3, Dashboard.All.Count);
        Assert.All(Dashboard.All, dashboard => Assert.Equal($"distributed-{dashboard.Name}", (string?)dashboard["uid"]));
        Assert.All(Dashboard.All, dashboard => Assert.Null(dashboard["id"]));
        Assert.All(Dashboard.All, dashboard => Assert.InRange((int)dashboard["schemaVersion"], 39, 42));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_panel_says_what_it_shows_and_in_what_unit(string name) => Assert.All(Of(name).Panels, panel =>
    {
        Assert.NotEmpty(panel.Title);
        Assert.EndsWith(".", panel.Description, StringComparison.Ordinal);
        Assert.NotEmpty(panel.Unit);
        Assert.True(panel.HasThresholds);
        Assert.False(panel.HasId);
        Assert.NotEmpty(panel.Expressions);
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void No_panel_lies_on_another_or_beside_the_grid(string name)
    {
        var places = Of(name).Panels.Select(panel => panel.Place).ToList();
        Assert.All(places, place => Assert.True(place is { X: >= 0, Y: >= 0, W: > 0, H: > 0 } && place.X + place.W <= Columns, $"{place}"));
        for (var i = 0; i < places.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                var (a, b) = (places[i], places[j]);
                Assert.False(a.X < b.X + b.W && b.X < a.X + a.W && a.Y < b.Y + b.H && b.Y < a.Y + a.H, $"{a} lies on {b}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Titles_differ_and_everything_comes_from_the_chosen_source(string name)
    {
        var dashboard = Of(name);
        Assert.Distinct(dashboard.Panels.Select(panel => panel.Title));
        Assert.Equal("datasource", (string?)dashboard.Variables.First()["type"]);
        Assert.All(dashboard.Panels.SelectMany(panel => panel.DataSources)
            .Concat(dashboard.Annotations.Select(annotation => annotation["datasource"]))
            .Concat(dashboard.Variables.Skip(1).Select(variable => variable["datasource"])),
            source => Assert.Equal("${datasource}", (string?)source!["uid"]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_expression_uses_a_documented_metric_of_the_chosen_job(string name)
    {
        var documented = File.ReadLines(BuiltFiles.Document("metrics.md")).Select(line => RowOf().Match(line).Groups[1].Value)
            .ToHashSet(StringComparer.Ordinal);
        Assert.All(Of(name).Panels.SelectMany(panel => panel.Expressions), expression =>
        {
            Assert.All(MetricName().Matches(expression), metric => Assert.Contains(HistogramPart().Replace(metric.Value, ""), documented));
            Assert.Equal(Selector().Count(expression), JobSelector().Count(expression));
        });
    }

    private static Dashboard Of(string name) => Dashboard.All.Single(dashboard => dashboard.Name == name);

    [GeneratedRegex(@"^\| `([a-z_]+)`")]
    private static partial Regex RowOf();

    [GeneratedRegex(@"\b(distributed|process|dotnet)_[a-z_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex HistogramPart();

    [GeneratedRegex(@"\{")]
    private static partial Regex Selector();

    [GeneratedRegex("""\{[^}]*job="\$job"[^}]*\}""")]
    private static partial Regex JobSelector();
}
