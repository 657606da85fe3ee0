using System.Security.Cryptography;
using Distributed.Core;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Cluster;

/// <summary>
/// Data sets that coordinators have sent, each in a folder named by its key: all of it there and checked, or no such folder.
/// Several processes may use it at once. Nothing is ever removed from it but what was broken off. Nobody but the user reads it: the files may have
/// been private where they come from.
/// </summary>
/// <param name="root">The folder; created when something comes.</param>
internal sealed class DeliveryCache(string root)
{
    /// <summary>The manifest, in the folder of its data set.</summary>
    internal const string ManifestName = ".manifest";

    /// <summary>Of what is not whole yet.</summary>
    internal const string PartialEnding = ".partial";

    private static readonly TimeSpan _abandoned = TimeSpan.FromDays(1);

    /// <summary>The folder of a data set whose files are all as they came; null where there is none.</summary>
    /// <param name="key">What <see cref="DataManifest.KeyOf"/> says of its manifest.</param>
    public string? Find(string key)
    {
        var folder = FolderOf(key);
        try
        {
            var list = new FileInfo(Path.Combine(folder, ManifestName));
            if (!list.Exists || list.Length > DataManifest.MaxLength) return null;
            var manifest = File.ReadAllBytes(list.FullName);
            return DataManifest.KeyOf(manifest) == key && DataManifest.Parse(manifest).Files.All(file => IsWhole(Path.Combine(folder, file.Name), file)) ? folder : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or DataException)
        {
            return null;
        }
    }

    /// <param name="key">What <see cref="DataManifest.KeyOf"/> says of its manifest.</param>
    /// <param name="manifestBytes">Bytes of the manifest.</param>
    /// <param name="bytes">Bytes of all files.</param>
    /// <exception cref="DataException">There is no room for it, or the folder cannot be written to.</exception>
    public DeliveryWriter Begin(string key, int manifestBytes, long bytes)
    {
        try
        {
            PrivateFolder.Create(root);
            RemoveAbandoned();
            var room = new DriveInfo(root).AvailableFreeSpace;
            if (room < bytes + manifestBytes)
                throw new DataException($"the data has {bytes} bytes, and there is room for {room} in '{root}'. Free some, or set XDG_CACHE_HOME to a folder that has it");
            var partial = Path.Combine(root, $"{key}.{Guid.NewGuid():N}{PartialEnding}");
            PrivateFolder.Create(partial);
            return new(this, partial, key, manifestBytes, bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(root, error);
        }
    }

    /// <summary>A full disk, and the like.</summary>
    internal static DataException Unwritable(string folder, Exception error) =>
        new($"the data that the coordinator sends cannot be written into '{folder}': {error.Message} XDG_CACHE_HOME names another place", error);

    internal string FolderOf(string key) => Path.Combine(root, key);

    private static bool IsWhole(string path, DataFile file)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
        return stream.Length == file.Bytes && Convert.ToHexStringLower(SHA256.HashData(stream)) == file.Sha256;
    }

    private void RemoveAbandoned()
    {
        foreach (var partial in new DirectoryInfo(root).EnumerateDirectories($"*{PartialEnding}"))
        {
            try
            {
                if (DateTime.UtcNow - LastUse(partial) > _abandoned) partial.Delete(recursive: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Another process is at it, or has removed it.
            }
        }
    }

    /// <summary>When something was written into it. The folder's own time is that of its last new entry, and a large file may take longer.</summary>
    private static DateTime LastUse(DirectoryInfo folder) =>
        folder.EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Select(entry => entry.LastWriteTimeUtc).Append(folder.LastWriteTimeUtc).Max();
}
