using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Distributed.Jobs;

namespace Distributed.Hosting.Processes;

/// <summary>
/// A command line together with what it leaves open: an option that is not on it is taken from the environment, else from a file of
/// settings, else it has its default. The names are those of <see cref="SettingNames"/>. An option that may be given more than once
/// is taken as a whole from the strongest of the three; its variable has a value on each line.
/// </summary>
internal sealed class Settings
{
    private const string ConfigName = "--config";

    private readonly Dictionary<Option, string> _sources = [];

    private Settings(ParseResult parsed, Dictionary<Option, string> sources, IReadOnlyList<string> warnings) =>
        (Parsed, _sources, Warnings) = (parsed, sources, warnings);

    /// <summary>The command line, completed.</summary>
    public ParseResult Parsed { get; }

    /// <summary>What may be a slip, in a user's words.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>What is wrong with the command line, each with where it stands.</summary>
    public IEnumerable<string> Errors => Parsed.Errors.Select(error => SourceOf(error) is { } source ? $"{source}: {error.Message}" : error.Message);

    /// <summary>What is not given on the command line, and where it is; null where there is nothing.</summary>
    public string? Origins =>
        _sources.Count == 0 ? null : string.Join(", ", _sources.Select(given => $"{given.Key.Name} by {given.Value}").Order(StringComparer.Ordinal));

    /// <param name="root">The program's commands. The option --config is added to them.</param>
    /// <param name="arguments">What the program was started with.</param>
    /// <param name="environment">The variables that it was started with.</param>
    /// <exception cref="SettingsException">The file of settings cannot be used.</exception>
    public static Settings Of(RootCommand root, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var config = new Option<string?>(ConfigName)
        {
            Description = $"YAML file of options: \"link-port: 4054\". A variable {SettingNames.Prefix}LINK_PORT is stronger, --link-port the strongest.",
            Recursive = true,
        };
        var known = OptionsBelow(root);
        root.Options.Add(config);
        var given = root.Parse(arguments);
        var warnings = environment.Keys.Where(SettingNames.IsSetting).Order(StringComparer.Ordinal).Select(variable => Doubt(variable, [.. known, config])).OfType<string>().ToList();
        if (given.CommandResult.Children.OfType<OptionResult>().Any(result => result.Option is HelpOption or VersionOption && !result.Implicit)) return new(given, [], warnings);

        var path = given.GetResult(config) is { Implicit: false } ? given.GetValue(config) : ValueOf(config, environment)?.Values[0];
        var file = path is null ? new Dictionary<string, Setting>() : SettingsFile.Read(path, known);
        Dictionary<Option, string> sources = [];
        List<string> more = [];
        foreach (var option in OptionsOf(given.CommandResult).Where(option => given.GetResult(option) is not { Implicit: false }))
        {
            if ((ValueOf(option, environment) ?? file.GetValueOrDefault(SettingNames.KeyOf(option))) is not { } setting) continue;
            sources[option] = setting.Source;
            more.AddRange(setting.Values.Select(value => $"{option.Name}={value}"));
        }
        // What follows two dashes is no option any more.
        var end = arguments.TakeWhile(argument => argument != "--").Count();
        return new(more.Count == 0 ? given : root.Parse([.. arguments.Take(end), .. more, .. arguments.Skip(end)]), sources, warnings);
    }

    /// <summary>An empty variable is one that is not set.</summary>
    private static Setting? ValueOf(Option option, IReadOnlyDictionary<string, string> environment)
    {
        var variable = SettingNames.VariableOf(option);
        if (!environment.TryGetValue(variable, out var value) || value.Length == 0) return null;
        return new(option.Arity.MaximumNumberOfValues > 1 ? value.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : [value], variable);
    }

    /// <summary>The options that a command takes: its own, and those of the whole program.</summary>
    private static IEnumerable<Option> OptionsOf(CommandResult command)
    {
        var above = command.Command.Options.ToList();
        for (var at = command.Parent as CommandResult; at is not null; at = at.Parent as CommandResult) above.AddRange(at.Command.Options.Where(option => option.Recursive));
        return above.Where(IsSettable);
    }

    private static List<Option> OptionsBelow(Command command) =>
        [.. command.Options.Where(IsSettable), .. command.Subcommands.SelectMany(OptionsBelow)];

    private static bool IsSettable(Option option) => option is not (HelpOption or VersionOption);

    private static string? Doubt(string variable, IReadOnlyList<Option> known)
    {
        var variables = known.Select(SettingNames.VariableOf).Distinct().ToList();
        if (variables.Contains(variable)) return null;
        return Spelling.Nearest(variable, [.. variables, .. SettingNames.OtherVariables]) is { } meant
            ? $"{variable} is no option of this program; did you mean {meant}?"
            : $"{variable} is no option of this program";
    }

    private string? SourceOf(ParseError error)
    {
        for (var at = error.SymbolResult; at is not null; at = at.Parent)
            if (at is OptionResult { Option: var option } && _sources.TryGetValue(option, out var source)) return source;
        return null;
    }
}
