using System.Text.RegularExpressions;
using Distributed.Core.Scores;
using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>The keys of what comes from the user's own code: models and tasks of libraries, models of TorchScript files.</summary>
internal static partial class PluginKeys
{
    private const int MaxPath = 1024;

    private static readonly Leaf<string> _class = Like("the name of a class, such as TinyNet or My.Models.TinyNet", ClassName());

    private static readonly Leaf<string> _metric = new(
        "accuracy, or a name of its own in small letters and digits, such as mean_margin",
        (scalar, out value) => (value = scalar.Text).Length > 0,
        // The others are made of sums of their own.
        name => Metric.Find(name) is MeanOfFirst or ShareOfHits,
        name => name);

    private static readonly Leaf<string> _file = Text("the path of a TorchScript file", MaxPath);

    private static readonly Leaf<string?> _sha256 = new(
        "64 hexadecimal digits in small letters, or null until a run begins",
        (scalar, out value) =>
        {
            value = scalar.IsNull ? null : scalar.Text;
            return true;
        },
        sum => sum is null || Sha256().IsMatch(sum),
        sum => sum ?? "null");

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
