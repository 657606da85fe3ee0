using System.Reflection;
using System.Runtime.InteropServices;

namespace Distributed.Bench.Processes;

/// <summary>What is started: the programs of this build, in the same configuration.</summary>
internal static class Programs
{
    /// <summary>The host of the runtime that this process runs on, which need not be the one on the path.</summary>
    public static string Dotnet { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    /// <summary>The coordinator's dll.</summary>
    public static string Coordinator { get; } = PathOf("Coordinator");

    /// <summary>The worker's dll.</summary>
    public static string Worker { get; } = PathOf("Worker");

    /// <summary>This program's dll.</summary>
    public static string Bench { get; } = typeof(Programs).Assembly.Location;

    /// <summary>A file that was copied beside this program.</summary>
    public static string File(string folder, string name) => Path.Combine(AppContext.BaseDirectory, folder, name);

    private static string PathOf(string program) => typeof(Programs).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == $"{program}Path").Value!;
}
