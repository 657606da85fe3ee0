using System.Text.RegularExpressions;

namespace Distributed.Kubernetes.Tests;

/// <summary>What a Dockerfile says: the stage in which the program is published, and the image that is left of it.</summary>
internal sealed partial class Dockerfile
{
    private readonly IReadOnlyList<IReadOnlyList<(string Name, string Value)>> _stages;

    private Dockerfile(IReadOnlyList<IReadOnlyList<(string Name, string Value)>> stages) => _stages = stages;

    /// <summary>What is copied from the repository: its paths, and the folder that they come into.</summary>
    public IEnumerable<(IReadOnlyList<string> Sources, string Target)> Copied => In(0, "COPY").Select(value => value.Split(' ')).Select(paths => ((IReadOnlyList<string>)paths[..^1], paths[^1]));

    /// <summary>Variables of the stage that publishes, which the user can set otherwise.</summary>
    public IEnumerable<(string Name, string Value)> Arguments => In(0, "ARG").Select(Assignment);

    /// <summary>The commands of the stage that publishes.</summary>
    public IEnumerable<string> Commands => In(0, "RUN");

    /// <summary>Variables of processes in the image.</summary>
    public IEnumerable<(string Name, string Value)> Environment => In(1, "ENV").SelectMany(value => value.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(Assignment);

    /// <summary>The Dockerfile of a program: Coordinator or Worker.</summary>
    public static Dockerfile Of(string program)
    {
        List<List<(string, string)>> stages = [];
        foreach (var line in Continued().Replace(Repository.Read($"{program}/Dockerfile"), " ").Split('\n').Where(line => line is not ['#', ..] && !string.IsNullOrWhiteSpace(line)))
        {
            var end = line.IndexOf(' ', StringComparison.Ordinal);
            if (line[..end] == "FROM") stages.Add([]);
            stages[^1].Add((line[..end], line[(end + 1)..]));
        }
        Assert.Equal(2, stages.Count);
        return new(stages);
    }

    /// <summary>What the only instruction of a name says of the image.</summary>
    public string Value(string instruction) => Assert.Single(In(1, instruction));

    /// <summary>Likewise, where that is a list of strings.</summary>
    public IReadOnlyList<string> List(string instruction) => [.. Quoted().Matches(Value(instruction)).Select(match => match.Groups[1].Value)];

    private IEnumerable<string> In(int stage, string instruction) => _stages[stage].Where(line => line.Name == instruction).Select(line => line.Value);

    private static (string, string) Assignment(string text) => text.Split('=') is [var name, var value] ? (name, value) : throw new FormatException(text);

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();
}
