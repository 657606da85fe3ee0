using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Distributed.Jobs;

namespace Distributed.Hosting.Processes;

/// <summary>A command line, completed from other sources: an option that is not on it comes from the environment, else from a settings
/// file, else it has its default (names: <see cref="SettingNames"/>). An option that may be given more than once comes as a whole from the
/// strongest of the three; its variable has one value per line.</summary>
internal sealed class Settings
{
    private const string ConfigName = "--config";

    private readonly Dictionary<Option, string> _sources = [];

    private Settings(ParseResult parsed, Dictionary<Option, string> sources, IReadOnlyList<string> warnings) =>
        (Parsed, _sources, Warnings) = (parsed, sources, warnings);

    public ParseResult Parsed { get; }
    public IReadOnlyList<string> Warnings { get; }

    public IEnumerable<string> Errors =>
        Parsed.Errors.Select(error => SourceOf(error) is { } source ? $"{source}: {error.Message}" : error.Message);

    /// <summary>The options from other sources, and these; null if there are no such options.</summary>
    public string? Origins => _sources.Count == 0
        ? null
        : string.Join(", ", _sources.Select(given => $"{given.Key.Name} by {given.Value}").Order(StringComparer.Ordinal));

    /// <param name="root">The program's commands. The option --config is added to them.</param>
    public static Settings Of(RootCommand root, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var config = new Option<string?>(ConfigName)
        {
            Description = "YAML file of options: \"link-port: 4054\". "
                + $"A variable {SettingNames.Prefix}LINK_PORT overrides it, --link-port overrides both.",
            Recursive = true,
        };
        var known = OptionsBelow(root);
        root.Options.Add(config);
        var given = root.Parse(arguments);
        var warnings = environment.Keys.Where(SettingNames.IsSetting).Order(StringComparer.Ordinal)
            .Select(variable => WarningOf(variable, [.. known, config])).OfType<string>().ToList();
        if (given.CommandResult.Children.OfType<OptionResult>().Any(result => !IsSettable(result.Option) && !result.Implicit))
            return new(given, [], warnings);

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
        // There are no options after two dashes.
        var end = arguments.TakeWhile(argument => argument != "--").Count();
        var completed = more.Count == 0 ? given : root.Parse([.. arguments.Take(end), .. more, .. arguments.Skip(end)]);
        return new(completed, sources, warnings);
    }

    /// <summary>An empty variable counts as absent.</summary>
    private static Setting? ValueOf(Option option, IReadOnlyDictionary<string, string> environment)
    {
        const StringSplitOptions Lines = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;
        var variable = SettingNames.VariableOf(option);
        if (!environment.TryGetValue(variable, out var value) || value.Length == 0) return null;
        return new(option.Arity.MaximumNumberOfValues > 1 ? value.Split('\n', Lines) : [value], variable);
    }

    private static IEnumerable<Option> OptionsOf(CommandResult command)
    {
        var above = command.Command.Options.ToList();
        for (var at = command.Parent as CommandResult; at is not null; at = at.Parent as CommandResult)
            above.AddRange(at.Command.Options.Where(option => option.Recursive));
        return above.Where(IsSettable);
    }

    private static List<Option> OptionsBelow(Command command) =>
        [.. command.Options.Where(IsSettable), .. command.Subcommands.SelectMany(OptionsBelow)];

    private static bool IsSettable(Option option) => option is not (HelpOption or VersionOption);

    private static string? WarningOf(string variable, IReadOnlyList<Option> known)
    {
        var variables = known.Select(SettingNames.VariableOf).Distinct().ToList();
        if (variables.Contains(variable)) return null;
        var meant = Spelling.Nearest(variable, [.. variables, .. SettingNames.OtherVariables]);
        return $"{variable} is not an option of this program{(meant is null ? "" : $"; did you mean {meant}?")}";
    }

    private string? SourceOf(ParseError error)
    {
        for (var at = error.SymbolResult; at is not null; at = at.Parent)
            if (at is OptionResult { Option: var option } && _sources.TryGetValue(option, out var source)) return source;
        return null;
    }
}

internal sealed class SettingsException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The values of an option that is not on the command line, and their source for messages.</summary>
internal sealed record Setting(IReadOnlyList<string> Values, string Source);

/// <summary>The other names of an option: --link-port is DISTRIBUTED_LINK_PORT in the environment, link-port in a settings file.</summary>
internal static class SettingNames
{
    public const string Prefix = "DISTRIBUTED_";

    /// <summary>Variables with the prefix that are not options.</summary>
    public static IReadOnlyList<string> OtherVariables { get; } =
        ["DISTRIBUTED_DATA", "DISTRIBUTED_LIBTORCH", "DISTRIBUTED_WORKER", "DISTRIBUTED_TESTS"];

    public static string KeyOf(Option option) => option.Name.TrimStart('-');
    public static string VariableOf(Option option) => Prefix + KeyOf(option).Replace('-', '_').ToUpperInvariant();

    public static bool IsSetting(string variable) =>
        variable.StartsWith(Prefix, StringComparison.Ordinal) && !OtherVariables.Contains(variable);

    /// <summary>Removes the settings of this process, such as its port, from the environment of a process that it starts.</summary>
    public static void RemoveFrom(IDictionary<string, string?> environment)
    {
        foreach (var setting in environment.Keys.Where(IsSetting).ToList()) environment.Remove(setting);
    }
}

/// <summary>Reads a YAML file of options: "link-port: 4054", and a list for an option that may be given more than once.</summary>
internal static class SettingsFile
{
    public static IReadOnlyDictionary<string, Setting> Read(string path, IReadOnlyCollection<Option> options)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists) throw new SettingsException($"{path} does not exist; give a settings file, such as \"link-port: 4054\"");
            if (file.Length > YamlReader.MaxLength)
                throw new SettingsException($"{path} has {file.Length} bytes; a settings file has at most {YamlReader.MaxLength}");
            return Parse(File.ReadAllText(path), path, options);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{path} cannot be read: {error.Message}", error);
        }
    }

    private static Dictionary<string, Setting> Parse(string yaml, string fileName, IReadOnlyCollection<Option> options)
    {
        try
        {
            return YamlReader.Read(yaml, line => $"{fileName}:{line}") switch
            {
                YamlScalar { IsNull: true } => new Dictionary<string, Setting>(),
                YamlMap map => map.Entries.ToDictionary(
                    entry => entry.Key, entry => SettingOf(entry.Key, entry.Value, options), StringComparer.Ordinal),
                var other => throw other.Fault($"the settings are {other.Found}; allowed: keys with values, such as \"link-port: 4054\""),
            };
        }
        catch (JobException error)
        {
            throw new SettingsException(error.Message, error);
        }
    }

    private static Setting SettingOf(string key, YamlNode value, IReadOnlyCollection<Option> options)
    {
        var named = options.Where(option => SettingNames.KeyOf(option) == key).ToList();
        if (named.Count == 0) throw value.Fault(Unknown(key, options));
        return value switch
        {
            YamlScalar { IsNull: true } => throw value.Fault($"{key} is {value.Found}; give it a value, or leave the key out"),
            YamlScalar scalar => new([scalar.Text], value.Place),
            YamlList list when named.Any(option => option.Arity.MaximumNumberOfValues > 1) =>
                new([.. list.Items.Select(item => TextOf(key, item))], value.Place),
            _ => throw value.Fault($"{key} is {value.Found}; allowed: one value"),
        };
    }

    private static string TextOf(string key, YamlNode item) => item is YamlScalar { IsNull: false } scalar
        ? scalar.Text
        : throw item.Fault($"an entry of {key} is {item.Found}; allowed: a value");

    private static string Unknown(string key, IReadOnlyCollection<Option> options)
    {
        var keys = options.Select(SettingNames.KeyOf).Distinct().Order(StringComparer.Ordinal).ToList();
        return Spelling.Nearest(key, keys) is { } meant
            ? $"{Shown.Of(key)} is not an option; did you mean {meant}?"
            : $"{Shown.Of(key)} is not an option; allowed: {string.Join(", ", keys)}";
    }
}
