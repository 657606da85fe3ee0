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

    private Image(string folder, IReadOnlyList<string> command, Dictionary<string, string> environment, string user) =>
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
        var dockerfile = Dockerfile.Of(program);

        foreach (var (sources, target) in dockerfile.Copied)
            foreach (var source in sources) Copy(Repository.At(source), Path.Combine(files["source"], target));
        var publish = PublishCommand().Match(Assert.Single(dockerfile.Commands, command => command.Contains("dotnet publish", StringComparison.Ordinal)));
        // Servers would outlive it, and hold what it writes to open.
        var start = new ProcessStartInfo("sh", ["-c", $"{publish.Groups[1].Value} -o '{files["app"]}' --disable-build-servers"]) { WorkingDirectory = files["source"], RedirectStandardOutput = true };
        foreach (var (name, value) in dockerfile.Arguments) start.Environment[name] = value;
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
        foreach (var (name, value) in dockerfile.Environment) environment[name] = value;
        return new(files["app"], dockerfile.List("ENTRYPOINT"), environment, dockerfile.Value("USER"));
    }

    /// <summary>A file into a folder, or what is in a folder into another one.</summary>
    private static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        if (File.Exists(source))
        {
            File.Copy(source, Path.Combine(target, Path.GetFileName(source)));
            return;
        }
        // What .dockerignore keeps out, too.
        var builds = (string[])["bin", "obj"];
        foreach (var file in Directory.EnumerateFiles(source)) Copy(file, target);
        foreach (var folder in Directory.EnumerateDirectories(source).Where(folder => !builds.Contains(Path.GetFileName(folder))))
            Copy(folder, Path.Combine(target, Path.GetFileName(folder)));
    }

    [GeneratedRegex(@"(dotnet publish .*) -o /app ")]
    private static partial Regex PublishCommand();
}
