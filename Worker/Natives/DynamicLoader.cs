using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

/// <summary>
/// The system's loader of shared libraries (POSIX dlopen). Unlike <see cref="NativeLibrary"/> it can resolve every symbol at
/// once, so that what a library lacks is known here by its name, and not at some later call.
/// </summary>
internal static partial class DynamicLoader
{
    private const int ResolveWhenCalled = 0x1, ResolveNow = 0x2, ForAll = 0x100;

    /// <summary>Loads a library for good, its symbols visible to all that are loaded later.</summary>
    /// <param name="lazily">Whether functions may be missing, which end the process when they are called.</param>
    /// <returns>Null where it is loaded; else the loader's own words.</returns>
    public static string? Load(string path, bool lazily = false)
    {
        // Also binds this function itself, which would otherwise overwrite the error that it is to tell.
        _ = LastError();
        return Open(path, (lazily ? ResolveWhenCalled : ResolveNow) | ForAll) == 0 ? Marshal.PtrToStringUTF8(LastError()) ?? "unknown error" : null;
    }

    /// <summary>The address of a function in what was loaded for all; 0 where there is none of that name.</summary>
    public static nint Function(string name) => Symbol(0, name);

    [LibraryImport("libc", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "dlsym", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Symbol(nint library, string name);

    [LibraryImport("libc", EntryPoint = "dlerror")]
    private static partial nint LastError();
}
