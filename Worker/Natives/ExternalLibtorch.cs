using System.Reflection;

namespace Distributed.Worker.Natives;

/// <summary>
/// Lets a worker that was built without libtorch (<c>TorchBackend=external</c>) compute with the one of an existing PyTorch.
/// TorchSharp looks for its native libraries by name; the system's loader then gives it those that are loaded here already.
/// </summary>
internal static class ExternalLibtorch
{
    /// <summary>The environment variable that names the folder of a libtorch.</summary>
    public const string Variable = "DISTRIBUTED_LIBTORCH";

    private const string Binding = "libLibTorchSharp.so";

    /// <summary>
    /// Loads what the build and the environment ask for, before TorchSharp is used for the first time, and tells which libtorch
    /// it is. A worker with a libtorch of its own has nothing to load.
    /// </summary>
    /// <param name="log">Receives the line about what was loaded.</param>
    /// <exception cref="LibtorchException">There is none that fits.</exception>
    public static void Load(Action<string> log)
    {
        var named = Environment.GetEnvironmentVariable(Variable);
        if (Choose(Metadata("TorchBackend"), named, Metadata("LibtorchVersion")) is { } folder) Load(folder, Metadata("LibtorchVersion"), log);
    }

    /// <summary>The folder to load from; null for a worker with a libtorch of its own.</summary>
    /// <param name="backend">What the worker was built with: <c>external</c>, or the name of a libtorch package.</param>
    /// <param name="named">Value of <see cref="Variable"/>; null or empty where it is not set.</param>
    /// <param name="version">The libtorch version that fits, for messages.</param>
    /// <exception cref="LibtorchException">The build asks for a folder and none is named, or the other way round, or it is of no use.</exception>
    public static LibtorchFolder? Choose(string backend, string? named, string version) => (backend, string.IsNullOrEmpty(named)) switch
    {
        ("external", false) => LibtorchFolder.Find(named!, version),
        ("external", true) => throw new LibtorchException(
            $"this worker was built without libtorch (TorchBackend=external); set {Variable} to {LibtorchFolder.Allowed(version)}"),
        (_, true) => null,
        _ => throw new LibtorchException(
            $"{Variable} is '{named}', but this worker has a libtorch of its own (TorchBackend={backend}); unset it, or build the worker with -p:TorchBackend=external"),
    };

    private static void Load(LibtorchFolder folder, string version, Action<string> log)
    {
        foreach (var library in folder.Libraries)
            if (DynamicLoader.Load(library) is { } unfit) throw folder.Explain(library, unfit, null, version);
        var abi = AbiVersion();
        var found = abi is { } v ? $"libtorch {v >> 56}.{(v >> 48) & 0xff}.{(v >> 40) & 0xff}" : "a libtorch older than 2.9";
        log($"Computes with {found} in {folder.Path}{(found == $"libtorch {version}" ? "" : $"; TorchSharp was made for libtorch {version}")}");
        var binding = FindBinding();
        if (DynamicLoader.Load(binding) is not { } error) return;
        // A neighbouring version lacks a few functions, mostly such that no training calls; an older one lacks the data that all use.
        var reason = folder.Explain(binding, error, found, version);
        if (abi is null || DynamicLoader.Load(binding, lazily: true) is not null) throw reason;
        log($"warning: a call of what is missing will end this worker: {reason.Message}");
    }

    /// <summary>It lies beside the worker or in its runtimes folder; the runtime knows.</summary>
    private static string FindBinding() =>
        (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator).Append(AppContext.BaseDirectory)
        .Select(folder => Path.Combine(folder, Binding)).FirstOrDefault(File.Exists)
        ?? throw new LibtorchException($"{Binding} is missing beside the worker in '{AppContext.BaseDirectory}'; copy the whole folder that was published");

    /// <summary>Asked of the libtorch that is loaded: major, minor and patch in the three highest bytes; null before 2.9, which does not tell.</summary>
    private static unsafe ulong? AbiVersion() =>
        DynamicLoader.Function("aoti_torch_abi_version") is var function and not 0 ? ((delegate* unmanaged<ulong>)function)() : null;

    private static string Metadata(string key) =>
        typeof(ExternalLibtorch).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
