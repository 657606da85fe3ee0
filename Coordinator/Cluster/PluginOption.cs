using System.CommandLine;

namespace Distributed.Coordinator.Cluster;

/// <summary>The option --plugin. The coordinator only passes it on to the workers that it starts.</summary>
internal static class PluginOption
{
    private const string Name = "--plugin";

    public static Option<string[]> Create()
    {
        var option = new Option<string[]>(Name)
        {
            Description = "Library (.dll) with models or tasks of your own, for the workers that are started here; "
                + "may be given more than once.",
            AllowMultipleArgumentsPerToken = false,
            DefaultValueFactory = _ => [],
        };
        option.Validators.Add(result =>
        {
            foreach (var path in result.Tokens.Select(token => token.Value).Where(path => !File.Exists(path)))
                result.AddError($"{Name} is '{path}', which does not exist; allowed: the .dll of a class library");
        });
        return option;
    }

    public static IReadOnlyList<string> Paths(string[]? given) => [.. (given ?? []).Select(Path.GetFullPath)];
    public static IEnumerable<string> Arguments(IReadOnlyList<string> paths) => paths.SelectMany(path => (string[])[Name, path]);
}
