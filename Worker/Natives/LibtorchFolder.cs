using System.Text.RegularExpressions;
using static System.IO.Path;

namespace Distributed.Worker.Natives;

/// <summary>A folder with the shared libraries of a libtorch: that of a PyTorch for Python, or an unpacked distribution.</summary>
internal sealed partial record LibtorchFolder(string Path)
{
    private static readonly string[] _needed = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    // Each after its dependencies. A build for the CPU lacks those of CUDA; all others depend on the first.
    private static readonly string[] _inOrder =
        ["libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    /// <summary>Full paths of the libraries to load, each after its dependencies.</summary>
    public IEnumerable<string> Libraries => _inOrder.Select(name => Combine(Path, name)).Where(File.Exists);

    public static string Allowed(string version) => $"a folder with {string.Join(", ", _needed)} of libtorch {version}, "
        + "such as PyTorch's: python3 -c 'import torch; print(torch.__path__[0])'";

    /// <summary>The named folder or its subfolder <c>lib</c>, which PyTorch's <c>torch</c> and an unpacked libtorch have.</summary>
    public static LibtorchFolder Find(string named, string version)
    {
        if (!Directory.Exists(named)) throw Refused("which is no folder");
        string[] folders = [GetFullPath(named), GetFullPath(Combine(named, "lib"))];
        var found = folders.FirstOrDefault(folder => Missing(folder).Length == 0)
            ?? throw Refused($"which has no {string.Join(", no ", folders.Select(Missing).MinBy(missing => missing.Length)!)}");
        return new(found);

        LibtorchException Refused(string reason) =>
            new($"{ExternalLibtorch.Variable} is '{named}', {reason}; allowed: {Allowed(version)}");
    }

    public LibtorchException Explain(string library, string error, string? found, string version)
    {
        var name = GetFileName(library);
        var reason = $"{name} cannot be loaded: {error}";
        if (UndefinedSymbol().Match(error) is { Success: true } symbol)
        {
            reason = $"it lacks the symbol {symbol.Groups[1].Value} that {name} needs, so it is of another version or C++ ABI; "
                + $"allowed: {Allowed(version)}";
        }
        else if (MissingLibrary().Match(error) is { Success: true } missing)
        {
            reason = $"{name} needs {missing.Groups[1].Value}, which was not found; "
                + "install it (PyTorch's CUDA libraries are Python packages named nvidia-...), or add its folder to LD_LIBRARY_PATH";
        }
        return new($"{ExternalLibtorch.Variable} is '{Path}'{(found is null ? "" : $", {found}")}: {reason}");
    }

    private static string[] Missing(string folder) => [.. _needed.Where(name => !File.Exists(Combine(folder, name)))];

    [GeneratedRegex(@"undefined symbol: (\w+)")]
    private static partial Regex UndefinedSymbol();

    [GeneratedRegex(@"^(?!/)(\S+): cannot open shared object file")]
    private static partial Regex MissingLibrary();
}
