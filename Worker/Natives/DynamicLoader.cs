using System.Runtime.InteropServices;

namespace Distributed.Worker.Natives;

// The system's loader of shared libraries (POSIX dlopen). Unlike NativeLibrary it can resolve all symbols at once, so that
// a missing one is reported by name here, and not at a later call.
internal static partial class DynamicLoader
{
    private const int ResolveWhenCalled = 0x1, ResolveNow = 0x2, Global = 0x100;

    /// <summary>Loads a library for good; libraries that are loaded later see its symbols.</summary>
    /// <param name="lazily">Whether functions may be missing; a call of one ends the process.</param>
    /// <returns>Null if it is loaded; else the error of the loader.</returns>
    public static string? Load(string path, bool lazily = false)
    {
        // Binds LastError itself, which would otherwise overwrite the error of Open.
        _ = LastError();
        if (Open(path, (lazily ? ResolveWhenCalled : ResolveNow) | Global) != 0) return null;
        return Marshal.PtrToStringUTF8(LastError()) ?? "unknown error";
    }

    /// <summary>The address of a function in any loaded library; 0 if there is no such function.</summary>
    public static nint Function(string name) => Symbol(0, name);

    [LibraryImport("libc", EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "dlsym", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Symbol(nint library, string name);

    [LibraryImport("libc", EntryPoint = "dlerror")]
    private static partial nint LastError();
}
