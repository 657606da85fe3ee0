using System.Text;

namespace Distributed.Jobs;

internal sealed class Section<T>(T defaults, Func<Fields, T, T> keys) : Allowed<T> where T : class
{
    public override string Text => "a section of keys with values";

    public override T Read(YamlNode node, string path) => node is YamlMap section
        ? FieldReader.Read(section, path, fields => keys(fields, defaults))
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, T value, string path, int depth)
    {
        yaml.Append('\n');
        keys(new FieldWriter(yaml, path, depth), value);
    }
}

/// <summary>One kind of a spec. In a short form, the main key takes the place of the name. A kind without keys is a single value.</summary>
internal sealed record Kind<T>(string Name, T Default, Func<Fields, T, T>? Keys, string? MainKey = null) where T : class
{
    public static Kind<T> Of<TKind>(string name, Func<Fields, TKind, TKind> keys, string? mainKey = null) where TKind : T, new() =>
        new(name, new TKind(), (fields, spec) => keys(fields, (TKind)spec), mainKey);

    public static Kind<T> Fixed(string name, T value) => new(name, value, null);
    public bool Includes(T value) => Keys is null ? value.Equals(Default) : value.GetType() == Default.GetType();
}

/// <summary>Sections whose key "name" chooses their kind and so their other keys. A name alone stands for a section of defaults. A section
/// that begins with a kind's name as a key gives that kind's main key: {csv: a.csv} stands for {name: csv, path: a.csv}.</summary>
internal sealed class Choice<T> : Allowed<T> where T : class
{
    public const string NameKey = "name";

    private readonly Kind<T>[] _kinds;
    private readonly Leaf<string> _names;

    public Choice(params Kind<T>[] kinds) : this(null, kinds) { }

    public Choice(string? reason, params Kind<T>[] kinds)
    {
        _names = Allow.OneOf([.. kinds.Select(kind => kind.Name)]);
        if (reason is not null) _names = _names.Because(reason);
        _kinds = kinds;
    }

    public override string Text => $"{_names.Text}, alone or as the {NameKey} of a section";

    public override T Read(YamlNode node, string path) => node switch
    {
        YamlScalar name => Read(KindOf(_names.Read(name, path)), new(name.Place, new() { [NameKey] = name }), path),
        YamlMap section => ReadSection(InFull(section, path), path),
        _ => throw Refused(node, path),
    };

    public override void Write(StringBuilder yaml, T value, string path, int depth)
    {
        var kind = Array.Find(_kinds, kind => kind.Includes(value))
            ?? throw new JobException($"the job: {path} is {value}; allowed: {Text}");
        if (kind.Keys is null)
        {
            yaml.Append(' ').Append(kind.Name).Append('\n');
            return;
        }
        yaml.Append('\n');
        Keys(kind, new FieldWriter(yaml, path, depth), value);
    }

    private T ReadSection(YamlMap section, string path) =>
        Read(KindOf(new FieldReader(section, path).Required(NameKey, null, _names)), section, path);

    private T Read(Kind<T> kind, YamlMap section, string path) =>
        FieldReader.Read(section, path, fields => Keys(kind, fields, kind.Default));

    private T Keys(Kind<T> kind, Fields fields, T spec)
    {
        fields.Required(NameKey, kind.Name, _names);
        return kind.Keys is { } keys ? keys(fields, spec) : spec;
    }

    private YamlMap InFull(YamlMap section, string path)
    {
        if (section.Entries.Count == 0 || section.Entries.ContainsKey(NameKey)) return section;
        var (name, value) = section.Entries.GetAt(0);
        if (Array.Find(_kinds, kind => kind.Name == name)?.MainKey is not { } main) return section;
        if (section.Entries.TryGetValue(main, out var again))
            throw again.Fault($"{YamlNode.Join(path, main)} is given again, as {name}; allowed: once");
        var entries = new OrderedDictionary<string, YamlNode>
        {
            [NameKey] = new YamlScalar(value.Place, name, Quoted: false),
            [main] = value,
        };
        foreach (var (key, other) in section.Entries.Skip(1)) entries.Add(key, other);
        return section with { Entries = entries };
    }

    private Kind<T> KindOf(string name) => _kinds.First(kind => kind.Name == name);
}

/// <summary>A task in a job file: the name of its <see cref="TaskKind"/>, and its spec if a plugin brings it.</summary>
internal sealed record NamedTask(string Name, PluginTaskSpec? Plugin = null);

internal sealed class TaskChoice : Allowed<NamedTask>
{
    private readonly Leaf<string> _names = Allow.OneOf([.. TaskKind.All.Select(kind => kind.Name)]);
    private readonly Choice<PluginTaskSpec> _plugins = new(PluginKeys.Task);

    public override string Text => _names.Text;

    public override NamedTask Read(YamlNode node, string path) =>
        node is YamlMap || (node is YamlScalar { Text: var name } && name == TaskKind.Plugin.Name)
            ? new(TaskKind.Plugin.Name, _plugins.Read(node, path))
            : new(_names.Read(node, path));

    public override void Write(StringBuilder yaml, NamedTask value, string path, int depth)
    {
        if (value.Name != TaskKind.Plugin.Name) _names.Write(yaml, value.Name, path, depth);
        else if (value.Plugin is { } plugin) _plugins.Write(yaml, plugin, path, depth);
        else throw new JobException($"the job: {path} is {value.Name}, but its class is missing");
    }
}
