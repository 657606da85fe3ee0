using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// What a Dockerfile makes, without an engine: its own command publishes what its own instructions have copied, so a file that they forget
/// is missing here, too. Of the base images there is only what they tell programs by variables.
/// </summary>
internal sealed partial class Image
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<Image>>> _built = new();

    // Two builds at a time would only wait for each other.
    private static readonly SemaphoreSlim _turn = new(1);

    private Image(string folder, string[] command, Dictionary<string, string> environment, string user) =>
        (Folder, Command, Environment, User) = (folder, command, environment, user);

    /// <summary>The folder that is /app in it.</summary>
    public string Folder { get; }

    /// <summary>What runs in it, without arguments.</summary>
    public IReadOnlyList<string> Command { get; }

    /// <summary>The variables that its processes have.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>User and group, by their numbers.</summary>
    public string User { get; }

    /// <summary>The image of a program: Coordinator or Worker. Made once.</summary>
    public static Task<Image> OfAsync(string program) => _built.GetOrAdd(program, name => new(() => BuildAsync(name))).Value;

    private static async Task<Image> BuildAsync(string program)
    {
        // No image outlives the tests.
        var files = new TemporaryFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => files.Dispose();
        var stages = Stages(Repository.Read($"{program}/Dockerfile"));
        Assert.Equal(2, stages.Count);
        var (build, final) = (stages[0], stages[1]);

        foreach (var copy in build.Where(line => line.Name == "COPY").Select(line => line.Value.Split(' ')))
            foreach (var source in copy[..^1]) Copy(Repository.At(source), Path.Combine(files["source"], copy[^1], copy[^1] == "./" ? source : ""));
        var publish = PublishCommand().Match(Assert.Single(build, line => line.Name == "RUN" && line.Value.Contains("dotnet publish", StringComparison.Ordinal)).Value);
        // Servers would outlive it, and hold what it writes to open.
        var start = new ProcessStartInfo("sh", ["-c", $"{publish.Groups[1].Value} -o '{files["app"]}' --disable-build-servers"]) { WorkingDirectory = files["source"], RedirectStandardOutput = true };
        foreach (var argument in build.Where(line => line.Name == "ARG").Select(line => line.Value.Split('='))) start.Environment[argument[0]] = argument[1];
        await _turn.WaitAsync();
        try
        {
            using var process = Process.Start(start)!;
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, output);
        }
        finally
        {
            _turn.Release();
        }

        // As mcr.microsoft.com/dotnet/aspnet sets them, the chiseled one.
        Dictionary<string, string> environment = new(StringComparer.Ordinal)
        {
            ["ASPNETCORE_HTTP_PORTS"] = "8080",
            ["DOTNET_RUNNING_IN_CONTAINER"] = "true",
            ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "true",
        };
        foreach (var variable in final.Where(line => line.Name == "ENV").SelectMany(line => line.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(variable => variable.Split('=')))
            environment[variable[0]] = variable[1];
        return new(
            files["app"], [.. Quoted().Matches(Value("ENTRYPOINT")).Select(match => match.Groups[1].Value)], environment, Value("USER"));

        string Value(string instruction) => Assert.Single(final, line => line.Name == instruction).Value;
    }

    /// <summary>The instructions of each stage.</summary>
    private static List<List<(string Name, string Value)>> Stages(string file)
    {
        List<List<(string, string)>> stages = [];
        foreach (var line in Continued().Replace(file, " ").Split('\n').Where(line => line is not ['#', ..] && !string.IsNullOrWhiteSpace(line)))
        {
            var end = line.IndexOf(' ', StringComparison.Ordinal);
            if (line[..end] == "FROM") stages.Add([]);
            stages[^1].Add((line[..end], line[(end + 1)..]));
        }
        return stages;
    }

    private static void Copy(string source, string target)
    {
        if (File.Exists(source))
        {
            // Into a folder, or as the folder's only file of that name.
            if (target.EndsWith('/')) target = Path.Combine(target, Path.GetFileName(source));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(source, target);
            return;
        }
        // What .dockerignore keeps out, too.
        var builds = (string[])["bin", "obj"];
        Directory.CreateDirectory(target);
        foreach (var file in Directory.EnumerateFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        foreach (var folder in Directory.EnumerateDirectories(source).Where(folder => !builds.Contains(Path.GetFileName(folder))))
            Copy(folder, Path.Combine(target, Path.GetFileName(folder)));
    }

    [GeneratedRegex(@"(dotnet publish .*) -o /app ")]
    private static partial Regex PublishCommand();

    [GeneratedRegex(@"\\\n\s*")]
    private static partial Regex Continued();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();
}
