using System.Text;

namespace Distributed.Jobs;

/// <summary>What a key may hold: how it is read, written and put into words.</summary>
internal abstract class Allowed<T>
{
    /// <summary>What is allowed, to end a sentence: "a number greater than 0".</summary>
    public abstract string Text { get; }

    /// <summary>The value that a node holds; <paramref name="path"/> names its key in an error.</summary>
    /// <exception cref="JobException">The node holds nothing that is allowed.</exception>
    public abstract T Read(YamlNode node, string path);

    /// <summary>Appends what follows "key:", its line ends included.</summary>
    /// <exception cref="JobException">The value is not allowed.</exception>
    public abstract void Write(StringBuilder yaml, T value, string path, int depth);

    protected JobException Refused(YamlNode node, string path) => node.Fault($"{path} is {node.Found}; allowed: {Text}");
}

/// <summary>Reads the form of a scalar; whether the value is in range is asked separately.</summary>
internal delegate bool ScalarReader<T>(YamlScalar scalar, out T value);

internal sealed class Leaf<T>(string text, ScalarReader<T> read, Predicate<T> contains, Func<T, string> format) : Allowed<T>
{
    public override string Text => text;

    public override T Read(YamlNode node, string path) =>
        node is YamlScalar scalar && read(scalar, out var value) && contains(value) ? value : throw Refused(node, path);

    public override void Write(StringBuilder yaml, T value, string path, int depth) =>
        yaml.Append(' ').Append(Checked(value, path)).Append('\n');

    public string Checked(T value, string path) => contains(value)
        ? format(value)
        : throw new JobException($"the job: {path} is {Shown.Of(format(value))}; allowed: {text}");

    public bool TryRead(YamlScalar scalar, out T value) => read(scalar, out value);

    public bool Contains(T value) => contains(value);

    /// <summary>The same values, and why no others.</summary>
    public Leaf<T> Because(string reason) => new($"{text}, because {reason}", read, contains, format);

    public string Format(T value) => format(value);
}

/// <summary>Lists of leaves, written on one line.</summary>
internal sealed class LeafList<T>(Leaf<T> item, int minCount, int maxCount) : Allowed<ValueList<T>>
{
    public override string Text => $"a list of {Counts}, each {item.Text}";

    public override ValueList<T> Read(YamlNode node, string path) => node is YamlList list && Contains(list.Items.Count)
        ? [.. list.Items.Select((entry, i) => item.Read(entry, $"{path}[{i}]"))]
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, ValueList<T> value, string path, int depth)
    {
        if (!Contains(value.Count)) throw new JobException($"the job: {path} is a list of {value.Count} entries; allowed: {Text}");
        yaml.Append(" [").AppendJoin(", ", value.Select((entry, i) => item.Checked(entry, $"{path}[{i}]"))).Append("]\n");
    }

    private string Counts => (minCount, maxCount) switch
    {
        (1, 1) => "1 entry",
        _ when minCount == maxCount => $"{minCount} entries",
        _ => $"{minCount} to {maxCount} entries",
    };

    private bool Contains(int count) => count >= minCount && count <= maxCount;
}
