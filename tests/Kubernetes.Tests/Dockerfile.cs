using System.Text.RegularExpressions;

namespace Distributed.Kubernetes.Tests;

/// <summary>A Dockerfile: the stage that publishes the program, and the final image.</summary>
internal sealed partial class Dockerfile
{
    private readonly IReadOnlyList<IReadOnlyList<(string Name, string Value)>> _stages;

    private Dockerfile(IReadOnlyList<IReadOnlyList<(string Name, string Value)>> stages) => _stages = stages;

    /// <summary>The paths that are copied from the repository, and their target folder.</summary>
    public IEnumerable<(IReadOnlyList<string> Sources, string Target)> Copied =>
        In(0, "COPY").Select(value => value.Split(' ')).Select(paths => ((IReadOnlyList<string>)paths[..^1], paths[^1]));

    /// <summary>The arguments of the publishing stage, which the user can override.</summary>
    public IEnumerable<(string Name, string Value)> Arguments => In(0, "ARG").Select(Assignment);

    /// <summary>The commands of the publishing stage.</summary>
    public IEnumerable<string> Commands => In(0, "RUN");

    /// <summary>The environment variables of the image.</summary>
    public IEnumerable<(string Name, string Value)> Environment =>
        In(1, "ENV").SelectMany(value => value.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(Assignment);

    public static Dockerfile Of(string program)
    {
        List<List<(string, string)>> stages = [];
        var lines = Continued().Replace(Repository.Read($"{program}/Dockerfile"), " ").Split('\n');
        foreach (var line in lines.Where(line => line is not ['#', ..] && !string.IsNullOrWhiteSpace(line)))
        {
            var end = line.IndexOf(' ', StringComparison.Ordinal);
            if (line[..end] == "FROM") stages.Add([]);
            stages[^1].Add((line[..end], line[(end + 1)..]));
        }
        Assert.Equal(2, stages.Count);
        return new(stages);
    }

    /// <summary>The value of the only instruction of a name in the final stage.</summary>
    public string Value(string instruction) => Assert.Single(In(1, instruction));

    /// <summary>That value as a list of strings.</summary>
    public IReadOnlyList<string> List(string instruction) =>
        [.. Quoted().Matches(Value(instruction)).Select(match => match.Groups[1].Value)];

    private IEnumerable<string> In(int stage, string instruction) =>
        _stages[stage].Where(line => line.Name == instruction).Select(line => line.Value);

    private static (string, string) Assignment(string text) =>
        text.Split('=') is [var name, var value] ? (name, value) : throw new FormatException(text);

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();
}
