using System.CommandLine;

namespace Distributed.Coordinator.Cluster;

/// <summary>The option --plugin. This process only hands it on to the workers that it starts; it loads none of it.</summary>
internal static class PluginOption
{
    private const string Name = "--plugin";

    /// <summary>The option, for a command line.</summary>
    public static Option<string[]> Create()
    {
        var option = new Option<string[]>(Name)
        {
            Description = "Library (.dll) with models or tasks of your own, for the workers that are started here; may be given more than once.",
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

    /// <summary>The paths in it, which are good wherever a worker is started.</summary>
    public static IReadOnlyList<string> Paths(string[]? given) => [.. (given ?? []).Select(Path.GetFullPath)];

    public static IEnumerable<string> Arguments(IReadOnlyList<string> paths) => paths.SelectMany(path => (string[])[Name, path]);
}
