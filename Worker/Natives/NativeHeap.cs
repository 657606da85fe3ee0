using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

// Settings of glibc's malloc, which allocates libtorch's tensors. By default, freed memory returns to the system and comes back page by
// page in the next step: up to a third of a small convolutional step, depending on chance. Source: mallopt(3), and arena.c of glibc for
// when it releases the heap of a thread.
internal static partial class NativeHeap
{
    private const int TrimThreshold = -1, TopPad = -2, MapThreshold = -3;

    // The largest block that a thread's heap of 64 MiB can serve; glibc rejects more.
    private const int LargestInHeap = 32 << 20;

    // Address space, not memory. If it exceeds two heaps of a thread, glibc keeps an empty heap.
    private const int Spare = 256 << 20;

    /// <summary>Keeps the memory that a step frees for the next one.</summary>
    /// <returns>False if the C library rejects a setting.</returns>
    public static bool KeepFreed() =>
        Set(MapThreshold, LargestInHeap) + Set(TopPad, Spare) + Set(TrimThreshold, int.MaxValue) == 3;

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Set(int parameter, int value);
}
