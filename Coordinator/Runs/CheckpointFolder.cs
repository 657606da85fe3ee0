using System.Security.Cryptography;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>A checkpoint on the disk: a folder with the files that its manifest lists.</summary>
internal static class CheckpointFolder
{
    public const string ManifestName = "manifest.json";

    public const string ModelName = "model.safetensors";

    public const string OptimizerName = "optimizer.safetensors";

    /// <summary>Reads every byte of a checkpoint, and changes nothing.</summary>
    /// <returns>The manifest, all of whose files are there, as long as they were and with the sums that they had.</returns>
    /// <exception cref="CheckpointException">A file is missing, cannot be read, or is not what was written; the first of them is named.</exception>
    public static Manifest Verify(string path, IFileSystem? files = null)
    {
        var manifest = Manifest.Load(Path.Combine(path, ManifestName), files);
        return Faults(path, manifest, files).FirstOrDefault() is { } fault ? throw new CheckpointException(fault) : manifest;
    }

    /// <summary>What is wrong with the files of a checkpoint, a text each that names the file; found while it is gone through.</summary>
    /// <param name="files">Where it is; null for this machine.</param>
    public static IEnumerable<string> Faults(string path, Manifest manifest, IFileSystem? files = null)
    {
        foreach (var name in new[] { ModelName, OptimizerName })
            if (!manifest.Files.Any(file => file.Name == name))
                yield return $"'{Path.Combine(path, ManifestName)}' is damaged: it lists no {name}";
        foreach (var file in manifest.Files)
            if (Fault(files ?? LocalDisk.Instance, Path.Combine(path, file.Name), file) is { } fault)
                yield return fault;
    }

    private static string? Fault(IFileSystem files, string path, CheckpointFile expected)
    {
        try
        {
            if (!files.FileExists(path)) return $"'{path}' is missing";
            using var stream = files.OpenRead(path);
            // A length is told sooner than a sum.
            if (stream.Length != expected.Bytes) return $"'{path}' has {stream.Length} bytes; its manifest says {expected.Bytes}";
            var found = Convert.ToHexStringLower(SHA256.HashData(stream));
            return found == expected.Sha256 ? null : $"'{path}' is damaged: its SHA-256 is {found}; its manifest says {expected.Sha256}";
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            return $"'{path}' cannot be read: {error.Message}";
        }
    }
}
