using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Jobs;

/// <summary>Gives complete files and folders their final names, so that they survive a power cut.</summary>
internal static class Durable
{
    private const int ReadOnly = 0, FolderOnly = 0x10000;

    /// <summary>Flushes a file to the disk and renames it; a file that has the new name is replaced.</summary>
    /// <exception cref="IOException">The file system fails; the file with the new name is then the old or the new one.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written to.</exception>
    public static void MoveFile(string from, string to)
    {
        using (var file = new FileStream(from, FileMode.Open, FileAccess.ReadWrite)) file.Flush(flushToDisk: true);
        File.Move(from, to, overwrite: true);
        FlushParent(to);
    }

    /// <summary>Renames a folder, whose files the caller has flushed; nothing may have the new name.</summary>
    /// <exception cref="IOException">The file system fails.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be renamed.</exception>
    public static void MoveFolder(string from, string to)
    {
        FlushFolder(from);
        Directory.Move(from, to);
        FlushParent(to);
    }

    /// <summary>Flushes the entries of a folder, not the contents of its files. Does nothing on systems without such a call.</summary>
    /// <exception cref="IOException">The file system fails.</exception>
    public static void FlushFolder(string path)
    {
        if (!OperatingSystem.IsLinux()) return;
        using var folder = Open(path, ReadOnly | FolderOnly);
        if (folder.IsInvalid || Sync(folder) != 0)
            throw new IOException($"'{path}' could not be flushed to the disk: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    private static void FlushParent(string path) => FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);

    [DllImport("libc", EntryPoint = "open", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern SafeFileHandle Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Sync(SafeFileHandle file);
}
