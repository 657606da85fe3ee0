using System.Reflection;

namespace Distributed.Worker.Tests.Plugins;

/// <summary>The library of samples/TinyPlugin, built with these tests.</summary>
internal static class TinyPlugin
{
    public static string Path { get; } = typeof(TinyPlugin).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(a => a.Key == "TinyPluginPath").Value!;
}
