using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Distributed.EndToEnd.Tests;

namespace Distributed.Kubernetes.Tests;

/// <summary>
/// The image of a Dockerfile, built without a container engine: its command publishes what its instructions have copied, so a file that
/// they forget is missing here too. Only the variables of the base images are reproduced.
/// </summary>
internal sealed partial class Image
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<Image>>> _built = new();

    // Concurrent builds would only wait for each other.
    private static readonly SemaphoreSlim _turn = new(1);

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
        // Images are removed after the tests.
        var files = new TemporaryFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => files.Dispose();
        var dockerfile = Dockerfile.Of(program);

        foreach (var (sources, target) in dockerfile.Copied)
            foreach (var source in sources) Copy(Repository.At(source), Path.Combine(files["source"], target));
        var command = Assert.Single(dockerfile.Commands, text => text.Contains("dotnet publish", StringComparison.Ordinal));
        var publish = PublishCommand().Match(command);
        // Build servers would outlive the command and keep its output open.
        var start = new ProcessStartInfo("sh", ["-c", $"{publish.Groups[1].Value} -o '{files["app"]}' --disable-build-servers"])
        {
            WorkingDirectory = files["source"],
            RedirectStandardOutput = true,
        };
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

        // Set by the chiseled mcr.microsoft.com/dotnet/aspnet.
        Dictionary<string, string> environment = new(StringComparer.Ordinal)
        {
            ["ASPNETCORE_HTTP_PORTS"] = "8080",
            ["DOTNET_RUNNING_IN_CONTAINER"] = "true",
            ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "true",
        };
        foreach (var (name, value) in dockerfile.Environment) environment[name] = value;
        return new(files["app"], dockerfile.List("ENTRYPOINT"), environment, dockerfile.Value("USER"));
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
        // Excluded by .dockerignore, too.
        var builds = (string[])["bin", "obj"];
        foreach (var file in Directory.EnumerateFiles(source)) Copy(file, target);
        foreach (var folder in Directory.EnumerateDirectories(source).Where(folder => !builds.Contains(Path.GetFileName(folder))))
            Copy(folder, Path.Combine(target, Path.GetFileName(folder)));
    }

    [GeneratedRegex(@"(dotnet publish .*) -o /app ")]
    private static partial Regex PublishCommand();
}
