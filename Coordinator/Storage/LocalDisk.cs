using Distributed.Jobs;

namespace Distributed.Coordinator.Storage;

internal sealed class LocalDisk : IFileSystem
{
    private LocalDisk() { }
    public static LocalDisk Instance { get; } = new();
    public bool FileExists(string path) => File.Exists(path);
    public bool FolderExists(string path) => Directory.Exists(path);
    public IReadOnlyList<string> FoldersIn(string path) => FolderExists(path) ? Directory.GetDirectories(path) : [];

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
    public void CreateFolder(string path) => Directory.CreateDirectory(path);
    public void FlushFolder(string path) => Durable.FlushFolder(path);
    public void MoveFile(string from, string to) => File.Move(from, to, overwrite: true);
    public void MoveFolder(string from, string to) => Directory.Move(from, to);

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
        if (FolderExists(path)) Directory.Delete(path, recursive: true);
    }
}
