using TorchSharp;

namespace Distributed.Worker.Natives;

/// <summary>
/// Has libtorch run TorchScript as it is written. By default it watches the first calls of a function and then rewrites it, with
/// gradients and random numbers of its own: the bits of a micro-batch would depend on how many a worker has computed before.
/// TorchSharp has no switch for that, so the function behind PyTorch's <c>torch._C._jit_set_profiling_mode</c> is called by its exported name.
/// </summary>
/// <remarks>
/// Source: <see href="https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/runtime/profiling_graph_executor_impl.cpp">profiling_graph_executor_impl.cpp</see>,
/// getOptimizedPlanFor.
/// </remarks>
internal static class ScriptExecution
{
    private const string ProfilingMode = "_ZN5torch3jit16getProfilingModeEv";

    /// <summary>From now on, in this process; before the first call of a script.</summary>
    /// <exception cref="LibtorchException">This libtorch does not have the function.</exception>
    public static unsafe void KeepPlain()
    {
        torch.InitializeDeviceType(DeviceType.CPU);
        // A reference to a std::atomic<bool>.
        var mode = ((delegate* unmanaged<byte*>)LibtorchExport.Find(ProfilingMode, "TorchScript is run the same way each time"))();
        Volatile.Write(ref *mode, 0);
    }
}
