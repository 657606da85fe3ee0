namespace Distributed.Coordinator.Storage;

/// <summary>
/// The file system that holds a run. What is written, created, renamed or removed is on the disk only once the file or the folder
/// is flushed; a power cut may lose any part of the rest. All calls fail with <see cref="IOException"/> or
/// <see cref="UnauthorizedAccessException"/>, see <see cref="StorageError"/>.
/// </summary>
internal interface IFileSystem
{
    bool FileExists(string path);

    bool FolderExists(string path);

    /// <summary>The paths of the folders in a folder, in any order; none where the folder is missing.</summary>
    IReadOnlyList<string> FoldersIn(string path);

    /// <summary>Opens a file that another process may write to meanwhile.</summary>
    /// <returns>A stream whose length is known.</returns>
    Stream OpenRead(string path);

    /// <summary>Opens a file for reading and writing; others may read it meanwhile. A missing file is created.</summary>
    /// <param name="isNew">Whether its contents are thrown away.</param>
    /// <param name="isPrivate">Whether a file that is created may be read by its user alone.</param>
    /// <returns>An unbuffered stream: each write is one call of the system.</returns>
    Stream OpenWrite(string path, bool isNew, bool isPrivate = false);

    /// <summary>Returns when the contents of a file that <see cref="OpenWrite"/> has opened are on the disk.</summary>
    void FlushToDisk(Stream file);

    /// <summary>Creates a folder, and those above it; one that exists is left as it is.</summary>
    void CreateFolder(string path);

    /// <summary>Returns when the entries of a folder are on the disk: the names in it, not what the files hold.</summary>
    void FlushFolder(string path);

    /// <summary>Renames a file at once; one that has the new name is replaced.</summary>
    void MoveFile(string from, string to);

    /// <summary>Renames a folder at once; nothing may have the new name.</summary>
    void MoveFolder(string from, string to);

    /// <summary>Removes a file, if it exists.</summary>
    void DeleteFile(string path);

    /// <summary>Removes a folder and all that is in it, if it exists.</summary>
    void DeleteFolder(string path);
}
