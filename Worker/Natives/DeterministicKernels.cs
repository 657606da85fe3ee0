using System.Runtime.InteropServices;
using TorchSharp;

namespace Distributed.Worker.Natives;

/// <summary>
/// Asks libtorch for CUDA kernels that give the same bits each time. TorchSharp has no switch for that, so the functions behind
/// PyTorch's <c>torch.backends.cudnn.deterministic</c> and <c>.benchmark</c> are called by their exported names.
/// </summary>
/// <remarks>
/// PyTorch's <c>use_deterministic_algorithms</c> is not asked for: it refuses max-pooling's backward pass, whose kernel for
/// contiguous images sums in a fixed order all the same. Source: PyTorch, "Reproducibility", and cuBLAS, "Results reproducibility".
/// </remarks>
internal static partial class DeterministicKernels
{
    private const string Context = "_ZN2at13globalContextEv";
    private const string SetDeterministic = "_ZN2at7Context21setDeterministicCuDNNEb";
    private const string SetBenchmark = "_ZN2at7Context17setBenchmarkCuDNNEb";

    /// <summary>From now on, in this process; before the first work on a CUDA device. A cuBLAS workspace that the user chose stays.</summary>
    /// <exception cref="LibtorchException">This libtorch does not have the functions.</exception>
    public static unsafe void Request()
    {
        // The runtime's own environment is a copy, which native code does not see.
        _ = SetEnvironment("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
        torch.InitializeDeviceType(DeviceType.CPU);
        var context = ((delegate* unmanaged<nint>)Export(Context))();
        ((delegate* unmanaged<nint, byte, void>)Export(SetDeterministic))(context, 1);
        ((delegate* unmanaged<nint, byte, void>)Export(SetBenchmark))(context, 0);
    }

    private static nint Export(string name) => LibtorchExport.Find(name, "deterministic kernels are asked for");

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
