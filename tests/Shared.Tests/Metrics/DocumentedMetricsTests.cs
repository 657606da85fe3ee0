using System.Reflection;
using System.Text.RegularExpressions;

namespace Distributed.Shared.Tests.Metrics;

/// <summary>docs/metrics.md has exactly the metrics that the processes export.</summary>
public sealed partial class DocumentedMetricsTests
{
    private static readonly string _page = typeof(DocumentedMetricsTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(a => a.Key == "MetricsDocument").Value!;

    [Fact]
    public async Task The_table_has_exactly_the_exported_metrics()
    {
        var (coordinator, worker) = (await ExportedMetrics.OfCoordinator(ofProcess: true), await ExportedMetrics.OfWorker(ofProcess: true));
        var expected = coordinator.Types.Keys.Union(worker.Types.Keys).Order(StringComparer.Ordinal).Select(name => Row(
            name, coordinator.Types.ContainsKey(name) ? worker.Types.ContainsKey(name) ? "both" : "coordinator" : "worker",
            coordinator.Types.ContainsKey(name) ? coordinator : worker));
        Assert.Equal(expected, File.ReadLines(_page).Where(line => line.StartsWith("| `", StringComparison.Ordinal)));
    }

    private static string Row(string name, string process, Exposition page)
    {
        var labels = string.Join(", ", LabelsOf(name, page).Select(label => $"`{label}`"));
        var row = $"| `{name}` | {page.Types[name]} | {labels} | {process} | {page.Help[name]} |";
        return row.Replace("|  |", "| |", StringComparison.Ordinal);
    }

    private static IEnumerable<string> LabelsOf(string name, Exposition page) => page.Samples
        .Where(sample => SampleName().Match(sample).Groups[1].Value == name)
        .SelectMany(sample => LabelName().Matches(sample))
        .Select(match => match.Groups[1].Value)
        .Where(label => label != "le")
        .Distinct();

    [GeneratedRegex(@"^([a-z_]+?)(_bucket|_sum|_count)?(\{|$)")]
    private static partial Regex SampleName();

    [GeneratedRegex("""[{,]([a-z]+)=""")]
    private static partial Regex LabelName();
}
