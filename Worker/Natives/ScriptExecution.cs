namespace Distributed.Worker.Natives;

// Makes libtorch run TorchScript as written, by the function behind PyTorch's torch._C._jit_set_profiling_mode. By default it
// profiles the first calls of a function and then rewrites it, with gradients and random numbers of its own: the bits of a micro-batch
// would depend on how many a worker has computed before. Source: getOptimizedPlanFor in PyTorch's profiling_graph_executor_impl.cpp.
internal static class ScriptExecution
{
    /// <summary>Applies to this process; call before the first call of a script.</summary>
    public static unsafe void KeepPlain()
    {
        const string Mode = "_ZN5torch3jit16getProfilingModeEv";
        // A reference to a std::atomic<bool>.
        var mode = ((delegate* unmanaged<byte*>)LibtorchExport.Find(Mode, "TorchScript is run the same way each time"))();
        Volatile.Write(ref *mode, 0);
    }
}
