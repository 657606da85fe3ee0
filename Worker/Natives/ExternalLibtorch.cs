using System.Reflection;

namespace Distributed.Worker.Natives;

// Lets a worker that was built without libtorch (TorchBackend=external) use that of an existing PyTorch. TorchSharp loads its
// native libraries by name; the system's loader then returns those that are loaded here already.
internal static class ExternalLibtorch
{
    /// <summary>The environment variable that names the folder of a libtorch.</summary>
    public const string Variable = "DISTRIBUTED_LIBTORCH";
    private const string Binding = "libLibTorchSharp.so";

    // Loads the libtorch that the build and the environment ask for, and logs its version; a worker with its own libtorch loads nothing.
    // Call before the first use of TorchSharp.
    public static void Load(Action<string> log)
    {
        var (version, named) = (Metadata("LibtorchVersion"), Environment.GetEnvironmentVariable(Variable));
        if (Choose(Metadata("TorchBackend"), named, version) is { } folder) Load(folder, version, log);
    }

    /// <summary>The folder to load from; null for a worker with its own libtorch.</summary>
    /// <param name="backend"><c>external</c>, or the name of the libtorch package that the worker was built with.</param>
    public static LibtorchFolder? Choose(string backend, string? named, string version) => (backend, string.IsNullOrEmpty(named)) switch
    {
        ("external", false) => LibtorchFolder.Find(named!, version),
        ("external", true) => throw new LibtorchException(
            $"this worker was built without libtorch (TorchBackend=external); set {Variable} to {LibtorchFolder.Allowed(version)}"),
        (_, true) => null,
        _ => throw new LibtorchException($"{Variable} is '{named}', but this worker has a libtorch of its own (TorchBackend={backend}); "
            + "unset it, or build the worker with -p:TorchBackend=external"),
    };

    private static void Load(LibtorchFolder folder, string version, Action<string> log)
    {
        foreach (var library in folder.Libraries)
            if (DynamicLoader.Load(library) is { } unfit) throw folder.Explain(library, unfit, null, version);
        var abi = AbiVersion();
        var found = abi is { } v ? $"libtorch {v >> 56}.{(v >> 48) & 0xff}.{(v >> 40) & 0xff}" : "a libtorch older than 2.9";
        log($"Computes with {found} in {folder.Path}"
            + (found == $"libtorch {version}" ? "" : $"; TorchSharp was made for libtorch {version}"));
        var binding = FindBinding();
        if (DynamicLoader.Load(binding) is not { } error) return;
        // The next or previous version lacks a few functions, usually none that training calls; an older one lacks essential data.
        var reason = folder.Explain(binding, error, found, version);
        if (abi is null || DynamicLoader.Load(binding, lazily: true) is not null) throw reason;
        log($"warning: a call of what is missing will end this worker: {reason.Message}");
    }

    // The library lies beside the worker or in its runtimes folder; the runtime knows both.
    private static string FindBinding()
    {
        var folders = (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(Path.PathSeparator);
        return folders.Append(AppContext.BaseDirectory).Select(folder => Path.Combine(folder, Binding)).FirstOrDefault(File.Exists)
            ?? throw new LibtorchException(
                $"{Binding} is missing beside the worker in '{AppContext.BaseDirectory}'; copy the whole folder that was published");
    }

    // Major, minor and patch of the loaded libtorch in the three highest bytes; versions before 2.9 lack the function.
    private static unsafe ulong? AbiVersion() =>
        DynamicLoader.Function("aoti_torch_abi_version") is var function and not 0 ? ((delegate* unmanaged<ulong>)function)() : null;

    private static string Metadata(string key) =>
        typeof(ExternalLibtorch).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
