using System.Reflection;
using Distributed.Worker.Abstractions;

namespace Distributed.Worker.Plugins;

/// <summary>A library of the user's, loaded for as long as this process lives.</summary>
internal sealed record PluginLibrary(string Path, IReadOnlyList<Type> Classes)
{
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>Loads a library, and what it needs as far as its public classes show it.</summary>
    /// <exception cref="PluginException">It is not there, is no library, or does not fit this worker.</exception>
    public static PluginLibrary Load(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        if (!File.Exists(full)) throw new PluginException($"--plugin is '{path}', which does not exist; allowed: the .dll of a class library");
        try
        {
            var assembly = new PluginContext(full).LoadFromAssemblyPath(full);
            RequireFit(assembly, path);
            return new(full, [.. assembly.GetExportedTypes().Where(type => type.IsClass)]);
        }
        catch (BadImageFormatException error)
        {
            throw new PluginException($"--plugin is '{path}', which is no .NET library for this machine; allowed: the .dll of a class library", error);
        }
        catch (Exception error) when (error is IOException or TypeLoadException or InvalidOperationException or UnauthorizedAccessException)
        {
            throw new PluginException($"--plugin is '{path}', which cannot be loaded: {Line(error)}; build it with what this worker has: "
                + $"{Shared("TorchSharp")}, .NET {Environment.Version}", error);
        }
    }

    internal static string Line(Exception error) => error.Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');

    /// <summary>TorchSharp's classes are not the same from one version to the next, which would come out only where they differ.</summary>
    private static void RequireFit(Assembly assembly, string path)
    {
        foreach (var needed in assembly.GetReferencedAssemblies())
        {
            if (needed.Name is not { } name || !PluginContext.IsShared(name)) continue;
            var own = PluginContext.OwnVersionOf(name);
            if (own is null)
                throw new PluginException($"--plugin is '{path}', which needs {name} {needed.Version}; this worker has none of it");
            var fits = name == "TorchSharp" ? own == needed.Version : own >= needed.Version;
            if (!fits) throw new PluginException($"--plugin is '{path}', which was built against {name} {needed.Version}; this worker has {own}: build it with that");
        }
    }

    private static string Shared(string name) => $"{name} {PluginContext.OwnVersionOf(name)}";
}
