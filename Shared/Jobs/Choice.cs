using System.Text;

namespace Distributed.Shared.Jobs;

/// <summary>One kind of spec: the name that chooses it, its defaults and its keys.</summary>
internal sealed record Kind<T>(string Name, T Default, Func<Fields, T, T> Keys) where T : class
{
    public static Kind<T> Of<TKind>(string name, Func<Fields, TKind, TKind> keys) where TKind : T, new() =>
        new(name, new TKind(), (fields, spec) => keys(fields, (TKind)spec));
}

/// <summary>
/// Sections whose key "name" chooses their kind, and with it their other keys. A name alone stands for a section of defaults.
/// </summary>
internal sealed class Choice<T> : Allowed<T> where T : class
{
    /// <summary>The key that chooses.</summary>
    public const string NameKey = "name";

    private readonly Kind<T>[] _kinds;
    private readonly Leaf<string> _names;

    public Choice(params Kind<T>[] kinds) : this(null, kinds)
    {
    }

    /// <summary>Few kinds, and why no others.</summary>
    public Choice(string? reason, params Kind<T>[] kinds)
    {
        _names = Allow.OneOf([.. kinds.Select(kind => kind.Name)]);
        if (reason is not null) _names = _names.Because(reason);
        _kinds = [.. kinds.Select(kind => kind with
        {
            Keys = (fields, spec) =>
            {
                fields.Required(NameKey, kind.Name, _names);
                return kind.Keys(fields, spec);
            },
        })];
    }

    public override string Text => $"{_names.Text}, alone or as the {NameKey} of a section";

    public override T Read(YamlNode node, string path) => node switch
    {
        // As a section, so that a key without a default is missed.
        YamlScalar name => ReadSection(new(name.Place, new() { [NameKey] = name with { Text = _names.Read(name, path) } }), path),
        YamlMap section => ReadSection(section, path),
        _ => throw Refused(node, path),
    };

    public override void Write(StringBuilder yaml, T value, string path, int depth)
    {
        yaml.Append('\n');
        _kinds.First(kind => kind.Default.GetType() == value.GetType()).Keys(new FieldWriter(yaml, path, depth), value);
    }

    private T ReadSection(YamlMap section, string path)
    {
        var kind = KindOf(new FieldReader(section, path).Required(NameKey, null, _names));
        return FieldReader.Read(section, path, fields => kind.Keys(fields, kind.Default));
    }

    private Kind<T> KindOf(string name) => _kinds.First(kind => kind.Name == name);
}
