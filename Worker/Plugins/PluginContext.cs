using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Loader;

namespace Distributed.Worker.Plugins;

/// <summary>
/// Where a user's library finds what it needs. What this process has comes from it, so that a tensor is the same type on both sides; a
/// library's own copies of TorchSharp, of this project and of the framework are never loaded. The rest lies beside the library.
/// </summary>
internal sealed class PluginContext(string library) : AssemblyLoadContext(Path.GetFileName(library))
{
    private static readonly FrozenDictionary<string, string> _own = (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .GroupBy(path => Path.GetFileNameWithoutExtension(path), StringComparer.OrdinalIgnoreCase)
        .ToFrozenDictionary(paths => paths.Key, paths => paths.First(), StringComparer.OrdinalIgnoreCase);

    private readonly AssemblyDependencyResolver _beside = new(library);

    /// <summary>The version that this process has of an assembly; null where it has none.</summary>
    public static Version? OwnVersionOf(string name) => _own.TryGetValue(name, out var path) ? AssemblyName.GetAssemblyName(path).Version : null;

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        if (assemblyName.Name is not { } name) return null;
        // What is not loaded here is taken from this process, or is missing.
        if (IsShared(name) || OwnVersionOf(name) >= assemblyName.Version) return null;
        return _beside.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _beside.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;

    /// <summary>Whether there may be only one of it in a process.</summary>
    public static bool IsShared(string name) =>
        name is "TorchSharp" or "Distributed.Core" or "Distributed.Worker.Abstractions" || IsFramework(name);

    private static bool IsFramework(string name) =>
        _own.TryGetValue(name, out var path) && Path.GetDirectoryName(path) != AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
}
