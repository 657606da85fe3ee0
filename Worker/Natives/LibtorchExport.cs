using System.Runtime.InteropServices;
using TorchSharp;

namespace Distributed.Worker.Natives;

/// <summary>Functions of libtorch without a binding in TorchSharp, called by their exported (mangled) names.</summary>
internal static class LibtorchExport
{
    /// <param name="purpose">Ends the message after "with which".</param>
    public static nint Find(string name, string purpose)
    {
        torch.InitializeDeviceType(DeviceType.CPU);
        return NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out var library)
            && NativeLibrary.TryGetExport(library, name, out var function)
            ? function
            : throw new LibtorchException($"this libtorch lacks the symbol {name}, with which {purpose}; "
                + "allowed: libtorch for Linux in the version that TorchSharp was made for");
    }
}

/// <summary>This worker has no libtorch that it can use. The message, for the user, says what was found and what is allowed.</summary>
internal sealed class LibtorchException(string message) : Exception(message);

// Makes CUDA kernels give the same bits each time, by the functions behind PyTorch's torch.backends.cudnn.deterministic and
// .benchmark. Not by use_deterministic_algorithms, which rejects the backward pass of max-pooling, although its kernel for
// contiguous images sums in a fixed order. Source: PyTorch, "Reproducibility", and cuBLAS, "Results reproducibility".
internal static partial class DeterministicKernels
{
    /// <summary>Applies to this process; call before the first work on a CUDA device. A cuBLAS workspace of the user's stays.</summary>
    public static unsafe void Request()
    {
        // The runtime's environment is a copy that native code does not see.
        _ = SetEnvironment("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
        var context = ((delegate* unmanaged<nint>)Export("_ZN2at13globalContextEv"))();
        ((delegate* unmanaged<nint, byte, void>)Export("_ZN2at7Context21setDeterministicCuDNNEb"))(context, 1);
        ((delegate* unmanaged<nint, byte, void>)Export("_ZN2at7Context17setBenchmarkCuDNNEb"))(context, 0);
    }

    private static nint Export(string name) => LibtorchExport.Find(name, "deterministic kernels are asked for");

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
