using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Coordinator.Runs;

/// <summary>What is renamed or created in a folder is on the disk only when the folder itself is.</summary>
internal static class DurableFolder
{
    private const int ReadOnly = 0, Directory = 0x10000;

    /// <summary>Returns when the folder's entries are on the disk. Where the system has no such call, at once.</summary>
    /// <exception cref="IOException">The disk has failed.</exception>
    public static void Flush(string path)
    {
        if (!OperatingSystem.IsLinux()) return;
        using var folder = Open(path, ReadOnly | Directory);
        if (folder.IsInvalid || Sync(folder) != 0) throw new IOException($"'{path}' could not be flushed to the disk: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern SafeFileHandle Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Sync(SafeFileHandle file);
}
