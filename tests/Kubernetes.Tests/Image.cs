using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// The image of a Dockerfile, built without a container engine: its command publishes what its instructions have copied, so a file that
/// they forget is missing here too. Only the variables of the base images are reproduced. Both images are built in one folder, as both
/// Dockerfiles say, so that the second build finds the libraries that the first one has compiled.
/// </summary>
internal sealed partial class Image
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<Image>>> _built = new();

    // Concurrent builds would only wait for each other.
    private static readonly SemaphoreSlim _turn = new(1);

    private static readonly Lazy<TemporaryFolder> _files = new(() =>
    {
        // Images are removed after the tests.
        var files = new TemporaryFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => files.Dispose();
        return files;
    });

    private Image(string folder, IReadOnlyList<string> command, Dictionary<string, string> environment, string user) =>
        (Folder, Command, Environment, User) = (folder, command, environment, user);

    /// <summary>The folder that is <c>/app</c> in the image.</summary>
    public string Folder { get; }

    /// <summary>The entry point, without arguments.</summary>
    public IReadOnlyList<string> Command { get; }

    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>User and group ids.</summary>
    public string User { get; }

    /// <summary>The image of Coordinator or Worker; built once.</summary>
    public static Task<Image> OfAsync(string program) => _built.GetOrAdd(program, name => new(() => BuildAsync(name))).Value;

    private static async Task<Image> BuildAsync(string program)
    {
        var (work, app) = (_files.Value["source"], _files.Value[program]);
        var dockerfile = Dockerfile.Of(program);
        var command = Assert.Single(dockerfile.Commands, text => text.Contains("dotnet publish", StringComparison.Ordinal));
        var publish = PublishCommand().Match(command);
        // Build servers would outlive the command and keep its output open.
        var start = new ProcessStartInfo("sh", ["-c", $"{publish.Groups[1].Value} -o '{app}' --disable-build-servers"])
        {
            WorkingDirectory = work,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in dockerfile.Arguments) start.Environment[name] = value;
        await _turn.WaitAsync();
        try
        {
            RemoveSources(work);
            foreach (var (sources, target) in dockerfile.Copied)
                foreach (var source in sources) Copy(Repository.At(source), Path.Combine(work, target));
            using var process = Process.Start(start)!;
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, output);
        }
        finally
        {
            _turn.Release();
        }

        // Set by the chiseled mcr.microsoft.com/dotnet/aspnet.
        Dictionary<string, string> environment = new(StringComparer.Ordinal)
        {
            ["ASPNETCORE_HTTP_PORTS"] = "8080",
            ["DOTNET_RUNNING_IN_CONTAINER"] = "true",
            ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "true",
        };
        foreach (var (name, value) in dockerfile.Environment) environment[name] = value;
        return new(app, dockerfile.List("ENTRYPOINT"), environment, dockerfile.Value("USER"));
    }

    /// <summary>Copies a file into a folder, or the contents of a folder into another one.</summary>
    private static void Copy(string source, string target)
    {
        Directory.CreateDirectory(target);
        if (File.Exists(source))
        {
            File.Copy(source, Path.Combine(target, Path.GetFileName(source)));
            return;
        }
        foreach (var file in Directory.EnumerateFiles(source)) Copy(file, target);
        foreach (var folder in SourceFolders(source)) Copy(folder, Path.Combine(target, Path.GetFileName(folder)));
    }

    /// <summary>Removes what an earlier build has copied, and leaves what it has made.</summary>
    private static void RemoveSources(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var file in Directory.EnumerateFiles(folder)) File.Delete(file);
        foreach (var inner in SourceFolders(folder)) RemoveSources(inner);
    }

    // The others are excluded by .dockerignore, too.
    private static IEnumerable<string> SourceFolders(string folder) =>
        Directory.EnumerateDirectories(folder).Where(inner => Path.GetFileName(inner) is not ("bin" or "obj"));

    [GeneratedRegex(@"(dotnet publish .*) -o /app ")]
    private static partial Regex PublishCommand();
}
