using System.Text;

namespace Distributed.Jobs;

/// <summary>The keys of one section. A function names them in canonical order, given a reader, which returns the section's values, or a
/// writer, which writes the given values and returns them. So no key is read but not written.</summary>
internal abstract class Fields
{
    /// <summary>A key that may be absent; <paramref name="value"/> is the value to write, or the default.</summary>
    public abstract T Value<T>(string key, T value, Allowed<T> allowed);

    /// <summary>A key that must be present; <paramref name="value"/> is the value to write.</summary>
    public virtual T Required<T>(string key, T? value, Allowed<T> allowed) => Value(key, value!, allowed);
}

internal sealed class FieldReader(YamlMap section, string path) : Fields
{
    /// <summary>Reads a whole section and refuses every key that <paramref name="keys"/> does not name.</summary>
    public static T Read<T>(YamlMap section, string path, Func<Fields, T> keys)
    {
        var known = new KeyNames();
        keys(known);
        foreach (var (key, node) in section.Entries)
        {
            if (known.Names.Contains(key)) continue;
            var nearest = Spelling.Nearest(key, known.Names);
            throw node.Fault($"{YamlNode.Join(path, key)} is not a known key"
                + (nearest is null ? "" : $" (did you mean {nearest}?)") + $"; allowed: {string.Join(", ", known.Names)}");
        }
        return keys(new FieldReader(section, path));
    }

    public override T Value<T>(string key, T value, Allowed<T> allowed) =>
        section.Entries.TryGetValue(key, out var node) ? allowed.Read(node, YamlNode.Join(path, key)) : value;

    public override T Required<T>(string key, T? value, Allowed<T> allowed) where T : default =>
        section.Entries.TryGetValue(key, out var node)
            ? allowed.Read(node, YamlNode.Join(path, key))
            : throw section.Fault($"{YamlNode.Join(path, key)} is missing; allowed: {allowed.Text}");

    private sealed class KeyNames : Fields
    {
        public List<string> Names { get; } = [];

        public override T Value<T>(string key, T value, Allowed<T> allowed)
        {
            Names.Add(key);
            return value;
        }
    }
}

/// <summary>Writes a section as block YAML, one key per line.</summary>
internal sealed class FieldWriter(StringBuilder yaml, string path, int depth) : Fields
{
    public override T Value<T>(string key, T value, Allowed<T> allowed)
    {
        yaml.Append(' ', 2 * depth).Append(key).Append(':');
        allowed.Write(yaml, value, YamlNode.Join(path, key), depth + 1);
        return value;
    }
}
