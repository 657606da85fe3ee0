using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

/// <summary>Memory of a CUDA device, which TorchSharp does not tell. Source: cuMemGetInfo of the CUDA driver API.</summary>
internal static partial class DeviceMemory
{
    /// <summary>Bytes in use of the device that the calling thread computes with, by all processes; null where it has none.</summary>
    public static long? Used() => Read() is var (free, total) ? total - free : null;

    /// <summary>Bytes of that device that nobody uses; null where the calling thread has none.</summary>
    public static long? Free() => Read()?.Free;

    private static (long Free, long Total)? Read()
    {
        try
        {
            return Info(out var free, out var total) == 0 ? ((long)free, (long)total) : null;
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libcuda.so.1", EntryPoint = "cuMemGetInfo_v2")]
    private static partial int Info(out nuint free, out nuint total);
}
