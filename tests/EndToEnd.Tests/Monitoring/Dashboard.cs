using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Distributed.EndToEnd.Tests.Monitoring;

/// <summary>The parts of a Grafana dashboard that these tests check.</summary>
internal sealed partial class Dashboard
{
    private readonly JsonNode _root;

    private Dashboard(string file) => (Name, _root) = (Path.GetFileNameWithoutExtension(file), JsonNode.Parse(File.ReadAllText(file))!);

    /// <summary>All dashboards.</summary>
    public static IReadOnlyList<Dashboard> All { get; } =
        [.. Directory.EnumerateFiles(BuiltFiles.Grafana("dashboards"), "*.json").Order(StringComparer.Ordinal)
            .Select(file => new Dashboard(file))];

    /// <summary>Name of its file.</summary>
    public string Name { get; }

    public JsonNode this[string key] => _root[key]!;

    public IEnumerable<Panel> Panels => _root["panels"]!.AsArray().Select(panel => new Panel(panel!));

    public IEnumerable<JsonNode> Variables => _root["templating"]!["list"]!.AsArray().Select(variable => variable!);

    public IEnumerable<JsonNode> Annotations => _root["annotations"]!["list"]!.AsArray().Select(annotation => annotation!);

    /// <summary>Every expression, where it is, and a label that its series must have.</summary>
    public IEnumerable<(string Where, string Expression, string? Label)> Expressions =>
    [
        .. from panel in Panels
           from expression in panel.Expressions
           select ($"{Name}, panel '{panel.Title}'", Filled(expression), (string?)null),
        .. Annotations.Select(
            annotation => ($"{Name}, annotation '{annotation["name"]}'", Filled((string)annotation["expr"]!), (string?)null)),
        .. from variable in Variables
           where (string?)variable["type"] == "query"
           let values = LabelValues().Match((string)variable["query"]!["query"]!)
           select ($"{Name}, variable '{variable["name"]}'", Filled(values.Groups[1].Value), values.Groups[2].Value),
    ];

    /// <summary>With the variables filled in, for all workers of the job.</summary>
    private static string Filled(string expression) => expression
        .Replace("$job", "distributed", StringComparison.Ordinal)
        .Replace("$worker", ".+", StringComparison.Ordinal)
        .Replace("$__rate_interval", "5s", StringComparison.Ordinal)
        .Replace("$__range", "1m", StringComparison.Ordinal);

    [GeneratedRegex(@"^label_values\((.+), (\w+)\)$")]
    private static partial Regex LabelValues();

    internal sealed class Panel(JsonNode panel)
    {
        public string Title => (string?)panel["title"] ?? "";

        public string Description => (string?)panel["description"] ?? "";

        public string Unit => (string?)panel["fieldConfig"]?["defaults"]?["unit"] ?? "";

        public bool HasThresholds => panel["fieldConfig"]?["defaults"]?["thresholds"]?["steps"]?.AsArray().Count > 0;

        public bool HasId => panel["id"] is not null;

        public IEnumerable<JsonNode?> DataSources =>
            panel["targets"]!.AsArray().Select(target => target!["datasource"]).Append(panel["datasource"]);

        public IEnumerable<string> Expressions => panel["targets"]!.AsArray().Select(target => (string)target!["expr"]!);

        public (int X, int Y, int W, int H) Place => (At("x"), At("y"), At("w"), At("h"));

        private int At(string key) => (int)panel["gridPos"]![key]!;
    }
}
