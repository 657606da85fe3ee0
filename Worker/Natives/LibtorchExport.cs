using System.Runtime.InteropServices;
using TorchSharp;

namespace Distributed.Worker.Natives;

/// <summary>Functions of libtorch that TorchSharp does not pass on, by their exported names.</summary>
internal static class LibtorchExport
{
    /// <param name="name">As the C++ compiler has mangled it.</param>
    /// <param name="purpose">What it is needed for, to follow "with which".</param>
    /// <exception cref="LibtorchException">This libtorch does not have it.</exception>
    public static nint Find(string name, string purpose) =>
        NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out var library) && NativeLibrary.TryGetExport(library, name, out var function)
            ? function
            : throw new LibtorchException($"this libtorch lacks the symbol {name}, with which {purpose}; allowed: libtorch for Linux in the version that TorchSharp was made for");
}
