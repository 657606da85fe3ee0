using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Loader;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Plugins;

/// <summary>A user's library, loaded for the lifetime of this process.</summary>
internal sealed record PluginLibrary(string Path, IReadOnlyList<Type> Classes)
{
    public string Name => System.IO.Path.GetFileName(Path);

    public static PluginLibrary Load(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        if (!File.Exists(full)) throw Refused("which does not exist; allowed: the .dll of a class library");
        try
        {
            var assembly = new PluginContext(full).LoadFromAssemblyPath(full);
            foreach (var needed in assembly.GetReferencedAssemblies())
                if (Misfit(needed) is { } misfit) throw Refused(misfit);
            return new(full, [.. assembly.GetExportedTypes().Where(type => type.IsClass)]);
        }
        catch (BadImageFormatException error)
        {
            throw Refused("which is no .NET library for this machine; allowed: the .dll of a class library", error);
        }
        catch (Exception error) when (error is IOException or TypeLoadException or InvalidOperationException or UnauthorizedAccessException)
        {
            throw Refused($"which cannot be loaded: {Line(error)}; build it with what this worker has: "
                + $"TorchSharp {PluginContext.OwnVersionOf("TorchSharp")}, .NET {Environment.Version}", error);
        }

        PluginException Refused(string reason, Exception? error = null) => new($"--plugin is '{path}', {reason}", error);
    }

    internal static string Line(Exception error) => error.Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');

    // Versions of TorchSharp are incompatible, which would show only when a changed class is used.
    private static string? Misfit(AssemblyName needed)
    {
        if (needed.Name is not { } name || !PluginContext.IsShared(name)) return null;
        if (PluginContext.OwnVersionOf(name) is not { } own) return $"which needs {name} {needed.Version}; this worker has none of it";
        return (name == "TorchSharp" ? own == needed.Version : own >= needed.Version)
            ? null
            : $"which was built against {name} {needed.Version}; this worker has {own}: build it with that";
    }
}

// Resolves the dependencies of a user's library. TorchSharp, this project and the framework always come from this process, so that a
// tensor is the same type on both sides; so does anything that this process has in a sufficient version. The rest lies beside the library.
internal sealed class PluginContext(string library) : AssemblyLoadContext(Path.GetFileName(library))
{
    private static readonly FrozenDictionary<string, string> _own = (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .GroupBy(path => Path.GetFileNameWithoutExtension(path), StringComparer.OrdinalIgnoreCase)
        .ToFrozenDictionary(paths => paths.Key, paths => paths.First(), StringComparer.OrdinalIgnoreCase);

    private readonly AssemblyDependencyResolver _beside = new(library);

    public static Version? OwnVersionOf(string name) =>
        _own.TryGetValue(name, out var path) ? AssemblyName.GetAssemblyName(path).Version : null;

    /// <summary>Whether a process may have only one version of an assembly.</summary>
    public static bool IsShared(string name) =>
        name is "TorchSharp" or "Distributed.Core" or "Distributed.Worker.Abstractions" || IsFramework(name);

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        // Null takes the assembly from this process.
        if (assemblyName.Name is not { } name || IsShared(name) || OwnVersionOf(name) >= assemblyName.Version) return null;
        return _beside.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _beside.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;

    private static bool IsFramework(string name) => _own.TryGetValue(name, out var path)
        && Path.GetDirectoryName(path) != AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
}
