using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Distributed.Coordinator.Storage;

internal sealed class LocalDisk : IFileSystem
{
    private const int ReadOnly = 0, Directory = 0x10000;

    private LocalDisk() { }
    public static LocalDisk Instance { get; } = new();
    public bool FileExists(string path) => File.Exists(path);
    public bool FolderExists(string path) => System.IO.Directory.Exists(path);
    public IReadOnlyList<string> FoldersIn(string path) => FolderExists(path) ? System.IO.Directory.GetDirectories(path) : [];

    public Stream OpenRead(string path) =>
        new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    public Stream OpenWrite(string path, bool isNew, bool isPrivate = false)
    {
        var options = new FileStreamOptions
        {
            Mode = isNew ? FileMode.Create : FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.Read,
            BufferSize = 0,
        };
        if (isPrivate && !OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    public void FlushToDisk(Stream file) => ((FileStream)file).Flush(flushToDisk: true);
    public void CreateFolder(string path) => System.IO.Directory.CreateDirectory(path);

    // Systems other than Linux have no such call.
    public void FlushFolder(string path)
    {
        if (!OperatingSystem.IsLinux()) return;
        using var folder = Open(path, ReadOnly | Directory);
        if (folder.IsInvalid || Sync(folder) != 0)
            throw new IOException($"'{path}' could not be flushed to the disk: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    public void MoveFile(string from, string to) => File.Move(from, to, overwrite: true);
    public void MoveFolder(string from, string to) => System.IO.Directory.Move(from, to);

    public void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Neither the file nor its folder exists.
        }
    }

    public void DeleteFolder(string path)
    {
        if (FolderExists(path)) System.IO.Directory.Delete(path, recursive: true);
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern SafeFileHandle Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Sync(SafeFileHandle file);
}
