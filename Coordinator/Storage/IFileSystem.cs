namespace Distributed.Coordinator.Storage;

// The file system of a run. Contents and names are on the disk only after the file or the folder is flushed; a power cut may lose any
// part of the rest. All calls fail with errors that StorageError accepts.
internal interface IFileSystem
{
    bool FileExists(string path);
    bool FolderExists(string path);
    IReadOnlyList<string> FoldersIn(string path); // Full paths in any order; empty if the folder is missing.

    Stream OpenRead(string path); // Another process may be writing the file. The stream has a length.

    // Opens or creates a file for reading and writing, unbuffered; others may read it meanwhile. isNew truncates it; only its user may
    // read a private file that this creates.
    Stream OpenWrite(string path, bool isNew, bool isPrivate = false);

    void FlushToDisk(Stream file); // The contents of a file of OpenWrite.
    void FlushFolder(string path); // The names in a folder, not the contents of its files.
    void CreateFolder(string path);
    void MoveFile(string from, string to); // Atomic; replaces an existing file.
    void MoveFolder(string from, string to); // Atomic; the new name must be free.
    void DeleteFile(string path); // Ignores what does not exist, as does DeleteFolder.
    void DeleteFolder(string path);
}

/// <summary>What a file system may throw: the disk is full or broken, or a file or permission is missing.</summary>
internal static class StorageError
{
    public static bool Is(Exception error) => error is IOException or UnauthorizedAccessException;

    /// <summary>Runs work whose failure is harmless or already reported.</summary>
    public static void Ignore(Action work)
    {
        try
        {
            work();
        }
        catch (Exception error) when (Is(error))
        {
        }
    }
}
