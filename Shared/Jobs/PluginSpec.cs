using System.Text.RegularExpressions;
using Distributed.Core.Scores;
using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>A model from a library that the workers were started with: a class derived from torch's nn.Module.</summary>
internal sealed record PluginSpec : ModelSpec
{
    public string Class { get; init; } = ""; // Name of the class, with or without its namespace.
    public ValueList<Setting> Settings { get; init; } = []; // Arguments of its constructor, in addition to those that the data gives.

    public override string Summarize() => $"{Class} of a plugin";
}

/// <summary>A model from a TorchScript file, which each worker has at this path. Its parameters are the initial ones.</summary>
internal sealed record TorchScriptSpec : ModelSpec
{
    public string File { get; init; } = ""; // Relative to the working directory of a worker.
    public string? Sha256 { get; init; } // SHA-256 of the file in lower-case hexadecimal; null only until a run begins.

    public override string Summarize() => $"TorchScript of {File}";
}

/// <summary>A task from a library that the workers were started with.</summary>
internal sealed record PluginTaskSpec
{
    public string Class { get; init; } = ""; // Name of the class, with or without its namespace.
    public string Metric { get; init; } = "metric"; // Name of its first metric, whose mean over the test samples rates the result.

    public ValueList<Setting> Settings { get; init; } = [];
}

internal static partial class PluginKeys
{
    private const int MaxPath = 1024;

    private static readonly Leaf<string> _class = Like("the name of a class, such as TinyNet or My.Models.TinyNet", ClassName());
    private static readonly Leaf<string> _file = Printable("the path of a TorchScript file", MaxPath);
    private static readonly Leaf<string?> _sha256 =
        TextOrNull(Like("64 hexadecimal digits in small letters", Sha256()), "null until a run begins");

    // The other metrics need sums of their own.
    private static readonly Leaf<string> _metric = Plain(
        "accuracy, or a name of its own in small letters and digits, such as mean_margin",
        name => Metric.Find(name) is MeanOfFirst or ShareOfHits);

    private static readonly SettingsSection _settings = new();

    public static Kind<ModelSpec> Model { get; } = Kind<ModelSpec>.Of<PluginSpec>("plugin", (f, model) => model with
    {
        Class = f.Required("class", model.Class, _class),
        Settings = f.Value("settings", model.Settings, _settings),
    }, "class");

    public static Kind<ModelSpec> TorchScript { get; } = Kind<ModelSpec>.Of<TorchScriptSpec>("torchscript", (f, model) => model with
    {
        File = f.Required("file", model.File, _file),
        Sha256 = f.Value("sha256", model.Sha256, _sha256),
    }, "file");

    public static Kind<PluginTaskSpec> Task { get; } = Kind<PluginTaskSpec>.Of<PluginTaskSpec>(TaskKind.Plugin.Name, (f, task) => task with
    {
        Class = f.Required("class", task.Class, _class),
        Metric = f.Value("metric", task.Metric, _metric),
        Settings = f.Value("settings", task.Settings, _settings),
    });

    [GeneratedRegex(@"^[\p{L}_][\p{L}\p{Nd}_]{0,127}([.+][\p{L}_][\p{L}\p{Nd}_]{0,127}){0,7}\z")]
    private static partial Regex ClassName();

    [GeneratedRegex(@"^[0-9a-f]{64}\z")]
    private static partial Regex Sha256();
}
