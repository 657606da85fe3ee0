using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

/// <summary>Memory of the calling thread's CUDA device, in bytes, by cuMemGetInfo of the CUDA driver API; null without a device.</summary>
internal static partial class DeviceMemory
{
    /// <summary>What all processes use.</summary>
    public static long? Used() => Read() is var (free, total) ? total - free : null;

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
