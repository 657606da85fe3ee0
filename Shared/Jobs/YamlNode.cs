namespace Distributed.Jobs;

/// <summary>A part of a YAML document that knows its place, "file:line" or the override that it came from.</summary>
internal abstract record YamlNode(string Place)
{
    /// <summary>What it is, to follow "is" in an error.</summary>
    public abstract string Found { get; }

    public JobException Fault(string message) => new($"{Place}: {message}");

    public static string Join(string path, string key)
    {
        var shown = key.Length == 0 ? "\"\"" : Shown.Of(key);
        return path.Length == 0 ? shown : $"{path}.{shown}";
    }
}

/// <summary>A scalar. Only a plain one can be a number, a flag or null.</summary>
internal sealed record YamlScalar(string Place, string Text, bool Quoted) : YamlNode(Place)
{
    public bool IsNull => !Quoted && Text is "" or "null" or "~";

    public override string Found => Quoted ? $"the text \"{Shown.Of(Text)}\"" : Text.Length == 0 ? "empty" : Shown.Of(Text);
}

internal sealed record YamlList(string Place, IReadOnlyList<YamlNode> Items) : YamlNode(Place)
{
    public override string Found => Items.Count == 1 ? "a list of 1 entry" : $"a list of {Items.Count} entries";
}

/// <summary>A section of keys, in the order of the document.</summary>
internal sealed record YamlMap(string Place, OrderedDictionary<string, YamlNode> Entries) : YamlNode(Place)
{
    public override string Found => "a section of keys";
}
