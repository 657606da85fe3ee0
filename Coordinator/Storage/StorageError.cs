namespace Distributed.Coordinator.Storage;

/// <summary>What a file system may answer: a full or broken disk, a missing file, a missing right.</summary>
internal static class StorageError
{
    public static bool Is(Exception error) => error is IOException or UnauthorizedAccessException;
}
