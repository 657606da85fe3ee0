using System.Reflection;

namespace Distributed.Kubernetes.Tests;

/// <summary>The files of the repository.</summary>
internal static class Repository
{
    private static readonly string _root = Metadata("Root");

    public static string At(string path) => Path.Combine(_root, path);

    public static string Read(string path) => File.ReadAllText(At(path));

    /// <summary>A program of this build.</summary>
    public static string Program(string name) => Path.Combine(_root, name, Metadata("Output"), $"Distributed.{name}.dll");

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
