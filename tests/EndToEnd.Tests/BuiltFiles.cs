using System.Reflection;

namespace Distributed.EndToEnd.Tests;

/// <summary>The products of the build, in the configuration of these tests.</summary>
internal static class BuiltFiles
{
    public static string Coordinator { get; } = Metadata("CoordinatorPath");

    public static string Worker { get; } = Metadata("WorkerPath");

    public static string TinyPlugin { get; } = Metadata("TinyPluginPath");

    public static string WorkerProject { get; } = Metadata("WorkerProjectPath");

    public static string Job(string name) => JobFolder.File(name);

    /// <summary>A folder written by a former version.</summary>
    public static string FormerRun(string version) => Path.Combine(Metadata("FormerRunsPath"), version);

    public static string Document(string name) => Path.Combine(Metadata("DocsPath"), name);

    public static string Grafana(string name) => Path.Combine(Metadata("GrafanaPath"), name);

    /// <summary>Where a screenshot for inspection is kept.</summary>
    public static string Picture(string name) => Path.Combine(Metadata("PicturesPath"), name);

    private static string Metadata(string key) =>
        typeof(BuiltFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
