using System.Reflection;
using System.Runtime.InteropServices;

namespace Distributed.Bench.Processes;

/// <summary>Paths of the programs of this build, in the same configuration.</summary>
internal static class Programs
{
    /// <summary>The host of this process's runtime, which may differ from the one on the path.</summary>
    public static string Dotnet { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    public static string Coordinator { get; } = PathOf("Coordinator");
    public static string Worker { get; } = PathOf("Worker");
    public static string Bench { get; } = typeof(Programs).Assembly.Location;

    /// <summary>A file copied beside this program.</summary>
    public static string File(string folder, string name) => Path.Combine(AppContext.BaseDirectory, folder, name);

    private static string PathOf(string program) =>
        typeof(Programs).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == $"{program}Path").Value!;
}
