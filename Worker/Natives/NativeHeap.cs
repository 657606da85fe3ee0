using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

/// <summary>
/// Settings of glibc's malloc, which libtorch takes the tensors of a step from. By default, freed memory goes back to the system
/// and comes again page by page in the next step: up to a third of a small convolutional step, depending on chance.
/// Source: mallopt(3), and arena.c of glibc for when the heap of a thread is given up.
/// </summary>
internal static partial class NativeHeap
{
    private const int TrimThreshold = -1, TopPad = -2, MapThreshold = -3;

    /// <summary>What a thread's heap can still serve: half of its 64 MiB. glibc refuses more.</summary>
    private const int LargestInHeap = 32 << 20;

    /// <summary>Address space, not memory. Above two heaps of a thread an empty one is kept.</summary>
    private const int Spare = 256 << 20;

    /// <summary>From now on, memory that a step has freed stays for the next one.</summary>
    /// <returns>False where the C library would not.</returns>
    public static bool KeepFreed() =>
        Set(MapThreshold, LargestInHeap) + Set(TopPad, Spare) + Set(TrimThreshold, int.MaxValue) == 3;

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Set(int parameter, int value);
}
