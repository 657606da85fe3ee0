namespace Distributed.Jobs;

/// <summary>Settings of the command line (--set key.path=value) that replace those of a job file before it is read.</summary>
internal static class Overrides
{
    /// <summary>The job with one setting replaced or added. A name in the way ("model: cnn") becomes a section with that name.</summary>
    /// <exception cref="JobException">The setting has no key, or its value is not YAML.</exception>
    public static YamlMap Apply(YamlMap job, string setting)
    {
        var place = $"--set {Shown.Of(setting)}";
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        var keys = equals < 0 ? [] : setting[..equals].Trim().Split('.');
        if (keys.Length is 0 or > YamlReader.MaxDepth || keys.Contains(""))
            throw new JobException($"{place}: this is no setting; allowed: key=value, for example optimizer.learning-rate=0.1");
        return Set(job, keys, YamlReader.Read(setting[(equals + 1)..], _ => place) with { Place = place });
    }

    private static YamlMap Set(YamlMap section, ReadOnlySpan<string> keys, YamlNode value)
    {
        var entries = new OrderedDictionary<string, YamlNode>(section.Entries);
        var old = entries.GetValueOrDefault(keys[0]);
        entries[keys[0]] = keys.Length == 1 ? value : Set(Section(old, value.Place), keys[1..], value);
        return section with { Entries = entries };
    }

    private static YamlMap Section(YamlNode? node, string place) => node switch
    {
        YamlMap map => map,
        YamlScalar { IsNull: false } name => new(place, new() { [Choice<ModelSpec>.NameKey] = name }),
        YamlList list => throw new JobException(
            $"{place}: the key before the last dot holds a list; allowed: to set the whole list, for example model.channels=[32, 64]"),
        _ => new(place, []),
    };
}
