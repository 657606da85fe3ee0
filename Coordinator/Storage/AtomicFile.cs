namespace Distributed.Coordinator.Storage;

internal static class AtomicFile
{
    public const string TemporaryEnding = ".tmp";
    private const int Buffer = 64 << 10;

    public static void Write(string path, Action<Stream> write, bool isPrivate = false) =>
        Write(LocalDisk.Instance, path, write, isPrivate);

    // Writes a temporary file, flushes it and renames it; contents and name are on the disk when this returns. If
    // write throws, an existing file stays unchanged.
    public static void Write(IFileSystem files, string path, Action<Stream> write, bool isPrivate = false)
    {
        var temporary = path + TemporaryEnding;
        try
        {
            using (var file = files.OpenWrite(temporary, isNew: true, isPrivate)) Fill(files, file, write);
            files.MoveFile(temporary, path);
        }
        catch
        {
            StorageError.Ignore(() => files.DeleteFile(temporary));
            throw;
        }
        files.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Writes and flushes a file that <see cref="IFileSystem.OpenWrite"/> has opened.</summary>
    internal static void Fill(IFileSystem files, Stream file, Action<Stream> write)
    {
        // Disposing it would close the file.
        var buffered = new BufferedStream(file, Buffer);
        write(buffered);
        buffered.Flush();
        files.FlushToDisk(file);
    }
}
