using System.Text.RegularExpressions;

namespace Distributed.Worker.Natives;

/// <summary>A folder with the shared libraries of a libtorch: that of a PyTorch for Python, or an unpacked distribution.</summary>
internal sealed partial class LibtorchFolder
{
    private static readonly string[] _needed = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    // Each after what it needs. Those of CUDA are not in a build for the CPU; the first holds what all others depend on.
    private static readonly string[] _inOrder =
        ["libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    private LibtorchFolder(string path) => Path = path;

    /// <summary>Full path of the folder that has the libraries themselves.</summary>
    public string Path { get; }

    /// <summary>Full paths of the libraries to load, each after those that it needs.</summary>
    public IEnumerable<string> Libraries => _inOrder.Select(name => System.IO.Path.Combine(Path, name)).Where(File.Exists);

    /// <summary>What the user may name, for messages.</summary>
    public static string Allowed(string version) =>
        $"a folder with {string.Join(", ", _needed)} of libtorch {version}, such as PyTorch's: python3 -c 'import torch; print(torch.__path__[0])'";

    /// <summary>The folder that the user names, or its subfolder <c>lib</c>: PyTorch's <c>torch</c> and an unpacked libtorch have one.</summary>
    /// <param name="version">The libtorch version that fits, for messages.</param>
    /// <exception cref="LibtorchException">It does not exist, or lacks a library.</exception>
    public static LibtorchFolder Find(string named, string version)
    {
        if (!Directory.Exists(named)) throw Refused(named, "which is no folder", version);
        string[] folders = [System.IO.Path.GetFullPath(named), System.IO.Path.GetFullPath(System.IO.Path.Combine(named, "lib"))];
        var found = folders.FirstOrDefault(folder => !Missing(folder).Any())
            ?? throw Refused(named, $"which has no {string.Join(", no ", folders.Select(folder => Missing(folder).ToArray()).MinBy(missing => missing.Length)!)}", version);
        return new(found);
    }

    /// <summary>Says in one line why a library could not be loaded.</summary>
    /// <param name="found">The libtorch in this folder, in words; null while that is unknown.</param>
    public LibtorchException Explain(string library, string error, string? found, string version)
    {
        var name = System.IO.Path.GetFileName(library);
        var where = $"{ExternalLibtorch.Variable} is '{Path}'{(found is null ? "" : $", {found}")}";
        return UndefinedSymbol().Match(error) is { Success: true } symbol
            ? new($"{where}: it lacks the symbol {symbol.Groups[1].Value} that {name} needs, so it is of another version or C++ ABI; allowed: {Allowed(version)}")
            : MissingLibrary().Match(error) is { Success: true } missing
            ? new($"{where}: {name} needs {missing.Groups[1].Value}, which was not found; "
                + "install it (PyTorch's CUDA libraries are Python packages named nvidia-...), or add its folder to LD_LIBRARY_PATH")
            : new($"{where}: {name} cannot be loaded: {error}");
    }

    private static IEnumerable<string> Missing(string folder) => _needed.Where(name => !File.Exists(System.IO.Path.Combine(folder, name)));

    private static LibtorchException Refused(string named, string reason, string version) =>
        new($"{ExternalLibtorch.Variable} is '{named}', {reason}; allowed: {Allowed(version)}");

    [GeneratedRegex(@"undefined symbol: (\w+)")]
    private static partial Regex UndefinedSymbol();

    [GeneratedRegex(@"^(?!/)(\S+): cannot open shared object file")]
    private static partial Regex MissingLibrary();
}
