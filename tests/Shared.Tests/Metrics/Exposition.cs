using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

/// <summary>A page in the Prometheus text format. A malformed line is an error.</summary>
public sealed partial class Exposition
{
    private readonly Dictionary<string, string> _help = [];
    private readonly Dictionary<string, string> _types = [];
    private readonly Dictionary<string, double> _samples = [];

    public static Exposition Parse(string page)
    {
        Assert.EndsWith("\n", page);
        var read = new Exposition();
        foreach (var line in page[..^1].Split('\n')) read.Take(line);
        return read;
    }

    public static async Task<Exposition> Of(CollectorRegistry registry)
    {
        using var page = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(page);
        return Parse(Encoding.UTF8.GetString(page.ToArray()));
    }

    public IReadOnlyDictionary<string, string> Help => _help;

    public IReadOnlyDictionary<string, string> Types => _types;

    /// <summary>The value of a sample, named as on the page: name{label="value"}.</summary>
    public double this[string sample] => _samples[sample];

    public IEnumerable<string> Samples => _samples.Keys;

    private void Take(string line)
    {
        if (HelpLine().Match(line) is { Success: true } help) _help.Add(help.Groups[1].Value, help.Groups[2].Value);
        else if (TypeLine().Match(line) is { Success: true } type) _types.Add(type.Groups[1].Value, type.Groups[2].Value);
        else if (SampleLine().Match(line) is { Success: true } sample)
            Take(sample.Groups["key"].Value, sample.Groups["name"].Value, sample.Groups["value"].Value);
        else Assert.Fail($"no line of the text format: {line}");
    }

    private void Take(string key, string name, string value)
    {
        Assert.Contains(HistogramPart().Replace(name, ""), _types.Keys);
        _samples.Add(key, value switch
        {
            "+Inf" => double.PositiveInfinity,
            "-Inf" => double.NegativeInfinity,
            _ => double.Parse(value, CultureInfo.InvariantCulture),
        });
    }

    [GeneratedRegex(@"^# HELP ([a-zA-Z_:][\w:]*) (.+)$")]
    private static partial Regex HelpLine();

    [GeneratedRegex(@"^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("""^(?<key>(?<name>[a-zA-Z_:][\w:]*)"""
        + """(\{[a-zA-Z_]\w*="([^"\\]|\\[\\n"])*"(,[a-zA-Z_]\w*="([^"\\]|\\[\\n"])*")*\})?) (?<value>\S+)$""")]
    private static partial Regex SampleLine();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex HistogramPart();
}
