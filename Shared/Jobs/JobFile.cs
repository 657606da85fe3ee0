using System.IO.Hashing;
using System.Text;

namespace Distributed.Jobs;

/// <summary>A job cannot be used. The message says where the fault is, what was found and what is allowed, in the user's words.</summary>
internal sealed class JobException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>Jobs as YAML: read strictly from the user's text, written canonically for the workers.</summary>
internal static class JobFile
{
    public const int MaxLength = YamlReader.MaxLength;

    /// <summary>Reads a job and resolves every default. Refuses unknown, repeated and missing keys, and invalid values.</summary>
    /// <param name="fileName">The name of the text in errors.</param>
    /// <param name="overrides">Settings that replace those of the text, in order, such as "model={name: cnn, dropout: 0.2}".</param>
    public static Job Parse(string yaml, string fileName, IEnumerable<string>? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        var root = YamlReader.Read(yaml, line => $"{fileName}:{line}");
        var job = root as YamlMap
            ?? throw root.Fault($"the job is {root.Found}; allowed: keys with values, such as \"task: classification\"");
        return FieldReader.Read((overrides ?? []).Aggregate(job, Override), "", fields => JobKeys.Job(fields, null));
    }

    public static Job Load(string path, IEnumerable<string>? overrides = null) =>
        new FileInfo(path).Length is var length && length > MaxLength
            ? throw new JobException($"'{path}' has {length} bytes; a job file has at most {MaxLength}")
            : Parse(File.ReadAllText(path), path, overrides);

    /// <summary>The canonical text of a job: every key, in one order and one form. Equal jobs have equal texts, which parse to equal
    /// jobs.</summary>
    public static string Format(Job job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var yaml = new StringBuilder();
        JobKeys.Job(new FieldWriter(yaml, "", 0), job);
        return yaml.ToString();
    }

    /// <summary>The identity of a job in every frame of its data: the XxHash3 (64 bits) of its canonical text in UTF-8.</summary>
    public static ulong Fingerprint(Job job) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(Format(job)));

    /// <summary>Replaces or adds one setting (--set key.path=value). A name on the path ("model: cnn") becomes a section.</summary>
    private static YamlMap Override(YamlMap job, string setting)
    {
        var place = $"--set {Shown.Of(setting)}";
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        var keys = equals < 0 ? [] : setting[..equals].Trim().Split('.');
        if (keys.Length is 0 or > YamlReader.MaxDepth || keys.Contains(""))
            throw new JobException($"{place}: this is not a setting; allowed: key=value, for example optimizer.learning-rate=0.1");
        return Set(job, keys, YamlReader.Read(setting[(equals + 1)..], _ => place) with { Place = place });
    }

    private static YamlMap Set(YamlMap section, ReadOnlySpan<string> keys, YamlNode value)
    {
        var entries = new OrderedDictionary<string, YamlNode>(section.Entries);
        var old = entries.GetValueOrDefault(keys[0]);
        entries[keys[0]] = keys.Length == 1 ? value : Set(ToSection(old, value.Place), keys[1..], value);
        return section with { Entries = entries };
    }

    private static YamlMap ToSection(YamlNode? node, string place) => node switch
    {
        YamlMap map => map,
        YamlScalar { IsNull: false } name => new(place, new() { [Choice<ModelSpec>.NameKey] = name }),
        YamlList => throw new JobException(
            $"{place}: the key before the last dot holds a list; allowed: to set the whole list, for example model.channels=[32, 64]"),
        _ => new(place, []),
    };
}

internal static class JobDifference
{
    /// <summary>The keys that decide the result and differ, each as "key is A, was B". Topology and checkpoints do not decide it.</summary>
    public static IReadOnlyList<string> Between(Job was, Job now)
    {
        var (before, after) = (Leaves(was), Leaves(now with { Topology = was.Topology, Checkpoint = was.Checkpoint }));
        return [.. before.Keys.Union(after.Keys, StringComparer.Ordinal)
            .Where(key => before.GetValueOrDefault(key) != after.GetValueOrDefault(key))
            .Select(key => $"{key} is {after.GetValueOrDefault(key) ?? "absent"}, was {before.GetValueOrDefault(key) ?? "absent"}")];
    }

    private static Dictionary<string, string> Leaves(Job job)
    {
        var leaves = new Dictionary<string, string>(StringComparer.Ordinal);
        Collect(YamlReader.Read(JobFile.Format(job), line => $"line {line}"), "");
        return leaves;

        void Collect(YamlNode node, string path)
        {
            if (node is YamlScalar scalar) leaves[path] = scalar.Text;
            if (node is YamlList list) leaves[path] = $"[{string.Join(", ", list.Items.OfType<YamlScalar>().Select(item => item.Text))}]";
            if (node is not YamlMap section) return;
            foreach (var (key, value) in section.Entries) Collect(value, YamlNode.Join(path, key));
        }
    }
}
