using System.Security.Cryptography;
using System.Text.Json;
using Distributed.Coordinator.Storage;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Runs;

/// <summary>A checkpoint that cannot be used. The message names the file and what is wrong with it.</summary>
internal sealed class CheckpointException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>A file of a checkpoint as it was written: its length and its SHA-256 in 64 lower-case hexadecimal digits.</summary>
internal sealed record CheckpointFile
{
    public required string Name { get; init; }
    public required long Bytes { get; init; }
    public required string Sha256 { get; init; }
}

/// <summary>The <c>manifest.json</c> of a checkpoint: its position in the run, and the files that belong to it.</summary>
internal sealed record Manifest
{
    public const string FileName = "manifest.json";
    public const string ModelName = "model.safetensors";
    public const string OptimizerName = "optimizer.safetensors";
    public const int CurrentVersion = 2; // The version that is written, and the only one that is read.
    public const int MaxBytes = 1 << 20;
    private const int MaxFiles = 64;
    private const int Sha256Length = 64;
    private const int DigestLength = 32;

    public required int Version { get; init; }

    // Counts of applied steps and rounds and of begun epochs, each from 0.
    public required long Step { get; init; }
    public required long Round { get; init; }
    public required int Epoch { get; init; }
    public required string Digest { get; init; } // The replicas' StateDigest in hexadecimal digits.

    // The last evaluation; null before the first.
    public double? TestLoss { get; init; }
    public string? Metric { get; init; }
    public double? TestMetric { get; init; }
    public required DateTimeOffset SavedAt { get; init; }
    public required string JobSha256 { get; init; } // SHA-256 of the resolved job file.
    public required string Program { get; init; }
    public required IReadOnlyList<CheckpointFile> Files { get; init; } // All files of the checkpoint except the manifest itself.

    public StoredState ToState() => new(Round, StateDigest.Parse(Digest));

    public void Save(string path, IFileSystem? files = null) =>
        AtomicFile.Write(files ?? LocalDisk.Instance, path, stream => JsonSerializer.Serialize(stream, this, RunJson.File));

    public static Manifest Load(string path, IFileSystem? files = null)
    {
        files ??= LocalDisk.Instance;
        try
        {
            if (!files.FileExists(path)) throw new CheckpointException($"'{path}' does not exist: the checkpoint is not complete");
            using var stream = files.OpenRead(path);
            if (stream.Length > MaxBytes)
                throw new CheckpointException($"'{path}' has {stream.Length} bytes; a manifest has at most {MaxBytes}");
            return Parse(stream, path);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            throw new CheckpointException($"'{path}' cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Loads the manifest in a folder and checks the length and SHA-256 of every file.</summary>
    public static Manifest Verify(string folder, IFileSystem? files = null)
    {
        var manifest = Load(Path.Combine(folder, FileName), files);
        return manifest.Faults(folder, files).FirstOrDefault() is { } fault ? throw new CheckpointException(fault) : manifest;
    }

    /// <summary>Faults of the files in a folder, each of which names its file. The files are read while the result is enumerated.</summary>
    public IEnumerable<string> Faults(string folder, IFileSystem? files = null)
    {
        foreach (var name in new[] { ModelName, OptimizerName })
            if (!Files.Any(file => file.Name == name))
                yield return $"'{Path.Combine(folder, FileName)}' is damaged: it lists no {name}";
        foreach (var file in Files)
            if (Fault(files ?? LocalDisk.Instance, Path.Combine(folder, file.Name), file) is { } fault)
                yield return fault;
    }

    private static string? Fault(IFileSystem files, string path, CheckpointFile expected)
    {
        try
        {
            if (!files.FileExists(path)) return $"'{path}' is missing";
            using var stream = files.OpenRead(path);
            if (stream.Length != expected.Bytes) return $"'{path}' has {stream.Length} bytes; its manifest says {expected.Bytes}";
            var found = Convert.ToHexStringLower(SHA256.HashData(stream));
            return found == expected.Sha256 ? null
                : $"'{path}' is damaged: its SHA-256 is {found}; its manifest says {expected.Sha256}";
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            return $"'{path}' cannot be read: {error.Message}";
        }
    }

    private static Manifest Parse(Stream stream, string path)
    {
        Manifest? manifest;
        try
        {
            using var document = JsonDocument.Parse(stream, new() { AllowDuplicateProperties = false, MaxDepth = 4 });
            var root = document.RootElement;
            // Other versions may define their values differently, so check the version before any value.
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("version", out var version)
                && version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out var number) && number != CurrentVersion)
                throw new CheckpointException(
                    $"'{path}' is of version {number}; this program reads version {CurrentVersion}: use the program that wrote it");
            manifest = root.Deserialize<Manifest>(RunJson.File);
        }
        // InvalidOperationException: text that is not valid Unicode.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"'{path}' is damaged: {error.Message}", error);
        }
        return manifest is null ? throw new CheckpointException($"'{path}' is damaged: it holds null")
            : manifest.ValueFault() is { } fault ? throw new CheckpointException($"'{path}' is damaged: {fault}")
            : manifest;
    }

    private string? ValueFault() =>
        Step < 0 ? $"step is {Step}; allowed: 0 or more"
        : Round < 0 ? $"round is {Round}; allowed: 0 or more"
        : Epoch < 0 ? $"epoch is {Epoch}; allowed: 0 or more"
        : !IsHex(Digest) || Digest.Length != DigestLength
            ? $"digest is '{Digest}'; allowed: {DigestLength} lower-case hexadecimal digits"
        : !IsSha256(JobSha256) ? $"job_sha256 is '{JobSha256}'; allowed: {Sha256Length} lower-case hexadecimal digits"
        : Files.Count > MaxFiles ? $"it lists {Files.Count} files; at most {MaxFiles} are allowed"
        : Files.Select(FaultOf).FirstOrDefault(fault => fault is not null)
            ?? (Files.CountBy(file => file.Name, StringComparer.Ordinal).FirstOrDefault(name => name.Value > 1).Key is { } twice
                ? $"it lists '{twice}' twice" : null);

    // A name must not lead out of the folder.
    private static string? FaultOf(CheckpointFile? file) =>
        file is null ? "it lists null for a file"
        : file.Name.Length == 0 || file.Name is "." or ".." || file.Name.AsSpan().ContainsAny("/\\\0") || file.Name == FileName
            ? $"it lists '{file.Name}'; allowed: the name of a file beside it"
        : file.Bytes < 0 ? $"{file.Name} has {file.Bytes} bytes; allowed: 0 or more"
        : !IsSha256(file.Sha256) ? $"sha256 of {file.Name} is '{file.Sha256}'; allowed: {Sha256Length} lower-case hexadecimal digits"
        : null;

    private static bool IsSha256(string text) => text.Length == Sha256Length && IsHex(text);
    private static bool IsHex(string text) => text.Length > 0 && text.All(char.IsAsciiHexDigitLower);
}
