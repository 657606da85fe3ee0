namespace Distributed.Coordinator.Storage;

/// <summary>Files that exist either whole or not at all.</summary>
internal static class AtomicFile
{
    /// <summary>The ending that a file has while it is written.</summary>
    public const string TemporaryEnding = ".tmp";

    private const int Buffer = 64 << 10;

    /// <summary>Writes a file of this machine, see <see cref="Write(IFileSystem, string, Action{Stream}, bool)"/>.</summary>
    /// <exception cref="IOException">The disk is full, or the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write, bool isPrivate = false) => Write(LocalDisk.Instance, path, write, isPrivate);

    /// <summary>
    /// Writes a file under a temporary name beside it, and renames it once its bytes are on the disk; it is on the disk, also under
    /// its name, when this returns. If <paramref name="write"/> throws, a file that was there before is still there, unchanged.
    /// </summary>
    /// <param name="files">Where the file is.</param>
    /// <param name="write">Writes its bytes.</param>
    /// <param name="isPrivate">Whether its user alone may read it.</param>
    /// <exception cref="IOException">The disk is full, or the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
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
            Discard(files, temporary);
            throw;
        }
        files.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Writes a file, which is on the disk when this returns.</summary>
    /// <param name="files">Where the file is.</param>
    /// <param name="file">As <see cref="IFileSystem.OpenWrite"/> opened it.</param>
    /// <param name="write">Writes its bytes.</param>
    internal static void Fill(IFileSystem files, Stream file, Action<Stream> write)
    {
        // Not disposed: that would close the file.
        var buffered = new BufferedStream(file, Buffer);
        write(buffered);
        buffered.Flush();
        files.FlushToDisk(file);
    }

    /// <summary>What went wrong before is what the caller has to hear of.</summary>
    private static void Discard(IFileSystem files, string temporary)
    {
        try
        {
            files.DeleteFile(temporary);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            // It is replaced by the next write.
        }
    }
}
