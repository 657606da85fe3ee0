namespace Distributed.Coordinator.Runs;

/// <summary>Files that exist either whole or not at all.</summary>
public static class AtomicFile
{
    /// <summary>The ending that a file has while it is written.</summary>
    public const string TemporaryEnding = ".tmp";

    /// <summary>
    /// Writes <paramref name="path"/> under a temporary name beside it, and renames it once its bytes are on the disk.
    /// If <paramref name="write"/> throws, a file that was there before is still there, unchanged.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="write">Writes its bytes.</param>
    /// <param name="isPrivate">Whether nobody but the user may read it.</param>
    /// <exception cref="IOException">The disk is full, or the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write, bool isPrivate = false)
    {
        var temporary = path + TemporaryEnding;
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (isPrivate && !OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            using (var stream = new FileStream(temporary, options))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
