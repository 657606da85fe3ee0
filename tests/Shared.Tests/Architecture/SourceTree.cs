using System.Text.RegularExpressions;

namespace Distributed.Shared.Tests.Architecture;

/// <summary>A source file of the product.</summary>
internal sealed record SourceFile(string Path, string Project, string Folder, string Namespace, IReadOnlyList<string> Usings, string Code)
{
    /// <summary>The namespace that follows from its folder.</summary>
    public string Expected => string.Join('.', new[] { "Distributed", Project, Folder.Replace('/', '.') }.Where(part => part.Length > 0));
}

/// <summary>The product's source, with the dependencies between folders.</summary>
internal sealed partial class SourceTree
{
    /// <summary>By folder, the projects and their allowed references; the folder of a project may lie in that of another.</summary>
    public static readonly IReadOnlyDictionary<string, (string Project, string[] May)> Projects = new Dictionary<string, (string, string[])>
    {
        ["Shared/Core"] = ("Core", []),
        ["Shared/Transport"] = ("Transport", ["Core"]),
        ["Shared/Jobs"] = ("Jobs", ["Core"]),
        ["Shared/Hosting"] = ("Hosting", ["Core", "Transport", "Jobs"]),
        ["Worker/Abstractions"] = ("Worker.Abstractions", ["Core"]),
        ["Worker"] = ("Worker", ["Core", "Transport", "Jobs", "Hosting", "Worker.Abstractions"]),
        ["Coordinator"] = ("Coordinator", ["Core", "Transport", "Jobs", "Hosting"]),
    };

    private SourceTree(string root, IReadOnlyList<SourceFile> files)
    {
        (Root, Files) = (root, files);
        var types = files.GroupBy(file => file.Namespace)
            .ToDictionary(space => space.Key, space => space.SelectMany(file => TypesOf(file.Code)).ToHashSet());
        foreach (var file in files)
        {
            var names = Names().Matches(file.Code).Select(match => match.Value).ToHashSet();
            foreach (var (space, its) in types)
            {
                if (space == file.Namespace) continue;
                var isUsed = file.Usings.Contains(space)
                    || (file.Namespace.StartsWith($"{space}.", StringComparison.Ordinal) && names.Overlaps(its))
                    || Regex.IsMatch(file.Code,
                        $@"(?<![\w.])(Distributed\.)?{Regex.Escape(space["Distributed.".Length..])}\.({string.Join('|', its)})\b");
                if (isUsed) Dependencies.Add((file.Namespace, space));
            }
        }
    }

    public string Root { get; }

    public IReadOnlyList<SourceFile> Files { get; }

    /// <summary>From the namespace of a folder to that of another whose types it uses.</summary>
    public SortedSet<(string From, string To)> Dependencies { get; } = [];

    public static SourceTree Load(string root)
    {
        var files = new List<SourceFile>();
        foreach (var top in new[] { "Shared", "Worker", "Coordinator" })
        {
            foreach (var path in Directory.EnumerateFiles(Path.Combine(root, top), "*.cs", SearchOption.AllDirectories))
            {
                var name = Path.GetRelativePath(root, path).Replace('\\', '/');
                if (name.Split('/').Any(part => part is "bin" or "obj")) continue;
                var text = File.ReadAllText(path);
                if (Space().Match(text) is not { Success: true } space) continue;
                var folder = Projects.Keys.Where(key => name.StartsWith($"{key}/", StringComparison.Ordinal)).MaxBy(key => key.Length)
                    ?? throw new InvalidOperationException($"{name} belongs to no known project");
                var code = string.Join('\n', text.Split('\n').Where(line => !Ignored().IsMatch(line)));
                files.Add(new(name, Projects[folder].Project,
                    Path.GetDirectoryName(name)![folder.Length..].Trim('/').Replace('\\', '/'), space.Groups[1].Value,
                    [.. Using().Matches(text).Select(match => match.Groups[1].Value)], code));
            }
        }
        return new(root, files);
    }

    /// <summary>The project of a namespace.</summary>
    public static string ProjectOf(string space) => Projects.Values.Select(project => project.Project)
        .Where(project => $"{space}.".StartsWith($"Distributed.{project}.", StringComparison.Ordinal)).MaxBy(project => project.Length)!;

    /// <summary>Groups of folders that depend on each other, directly or indirectly.</summary>
    public IEnumerable<string> Cycles()
    {
        var reach = Files.Select(file => file.Namespace).Distinct().Order(StringComparer.Ordinal).ToDictionary(space => space, From);
        return [.. reach.Keys.Select(space => string.Join(", ", reach[space].Where(other => reach[other].Contains(space))))
            .Where(group => group.Length > 0).Distinct()];

        SortedSet<string> From(string start)
        {
            var seen = new SortedSet<string>(StringComparer.Ordinal);
            var next = new Stack<string>([start]);
            while (next.TryPop(out var space))
                foreach (var (_, to) in Dependencies.Where(dependency => dependency.From == space))
                    if (seen.Add(to)) next.Push(to);
            return seen;
        }
    }

    public static IEnumerable<string> TypesOf(string code) => Declaration().Matches(code).Select(match => match.Groups["name"].Value);

    /// <summary>A declaration of a type that is not nested.</summary>
    [GeneratedRegex(@"^((public|internal|file|sealed|abstract|static|partial|readonly|unsafe|ref) )*"
        + @"(class|record struct|record|struct|interface|enum|delegate [\w<>\[\]?, ]+?) (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Space();

    [GeneratedRegex(@"^using (?:static )?(?:\w+ = )?(Distributed\.[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"(?<![.\w])[A-Z]\w*")]
    private static partial Regex Names();

    /// <summary>Comments, directives, and constants whose name is a type's by chance.</summary>
    [GeneratedRegex(@"^\s*//|^using |^namespace |\bconst string\b")]
    private static partial Regex Ignored();
}
