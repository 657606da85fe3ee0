namespace Distributed.Coordinator.Storage;

/// <summary>What a file system may answer: a full or broken disk, a missing file, a missing right.</summary>
public static class StorageError
{
    /// <summary>Whether an exception is such an answer.</summary>
    public static bool Is(Exception error) => error is IOException or UnauthorizedAccessException;
}
