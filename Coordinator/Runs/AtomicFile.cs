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
    /// <exception cref="IOException">The disk is full, or the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = path + TemporaryEnding;
        try
        {
            using (var stream = File.Create(temporary))
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
