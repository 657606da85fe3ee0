using System.CommandLine;
using Distributed.Jobs;

namespace Distributed.Hosting.Processes;

/// <summary>What is given for an option beside the command line.</summary>
/// <param name="Values">More than one only for an option that may be given more than once.</param>
/// <param name="Source">Where that stands, for people.</param>
internal sealed record Setting(IReadOnlyList<string> Values, string Source);

/// <summary>Reads a YAML file of options: "link-port: 4054", and a list where an option may be given more than once.</summary>
internal static class SettingsFile
{
    /// <summary>The settings of a file, by their keys.</summary>
    /// <param name="options">All that it may hold.</param>
    /// <exception cref="SettingsException">It cannot be read, or holds something else.</exception>
    public static IReadOnlyDictionary<string, Setting> Read(string path, IReadOnlyCollection<Option> options)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists) throw new SettingsException($"{path} does not exist; give a file of settings, such as \"link-port: 4054\"");
            if (file.Length > YamlReader.MaxLength) throw new SettingsException($"{path} has {file.Length} bytes; a file of settings has at most {YamlReader.MaxLength}");
            return Parse(File.ReadAllText(path), path, options);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{path} cannot be read: {error.Message}", error);
        }
    }

    /// <summary>As above, from a text.</summary>
    public static IReadOnlyDictionary<string, Setting> Parse(string yaml, string fileName, IReadOnlyCollection<Option> options)
    {
        try
        {
            return YamlReader.Read(yaml, line => $"{fileName}:{line}") switch
            {
                YamlScalar { IsNull: true } => new Dictionary<string, Setting>(),
                YamlMap map => map.Entries.ToDictionary(entry => entry.Key, entry => SettingOf(entry.Key, entry.Value, options), StringComparer.Ordinal),
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
            YamlList list when named.Any(option => option.Arity.MaximumNumberOfValues > 1) => new([.. list.Items.Select(item => TextOf(key, item))], value.Place),
            _ => throw value.Fault($"{key} is {value.Found}; allowed: one value"),
        };
    }

    private static string TextOf(string key, YamlNode item) =>
        item is YamlScalar { IsNull: false } scalar ? scalar.Text : throw item.Fault($"an entry of {key} is {item.Found}; allowed: a value");

    private static string Unknown(string key, IReadOnlyCollection<Option> options)
    {
        var keys = options.Select(SettingNames.KeyOf).Distinct().Order(StringComparer.Ordinal).ToList();
        return Spelling.Nearest(key, keys) is { } meant
            ? $"{Shown.Of(key)} is no option; did you mean {meant}?"
            : $"{Shown.Of(key)} is no option; allowed: {string.Join(", ", keys)}";
    }
}
