using System.Text.Json;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>What a checkpoint is of, and by what its files are told to be whole: <c>manifest.json</c>.</summary>
internal sealed record Manifest
{
    /// <summary>The version that is written, and the one that is read.</summary>
    public const int CurrentVersion = 2;

    /// <summary>Bytes that a manifest may have.</summary>
    public const int MaxBytes = 1 << 20;

    private const int MaxFiles = 64;
    private const int Sha256Length = 64;
    private const int DigestLength = 32;

    public required int Version { get; init; }

    /// <summary>Steps that are applied, from 0.</summary>
    public required long Step { get; init; }

    /// <summary>Rounds, training and evaluating, that are done, from 0.</summary>
    public required long Round { get; init; }

    /// <summary>Epochs that are begun, from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>The replicas' digest, in hexadecimal digits.</summary>
    public required string Digest { get; init; }

    /// <summary>Mean loss over the test set at the last evaluation; null before the first.</summary>
    public double? TestLoss { get; init; }

    /// <summary>Name of the task's metric; null before the first.</summary>
    public string? Metric { get; init; }

    /// <summary>What that was then; null before the first.</summary>
    public double? TestMetric { get; init; }

    /// <summary>When it was written.</summary>
    public required DateTimeOffset SavedAt { get; init; }

    /// <summary>SHA-256 of the resolved job's text: 64 lower-case hexadecimal digits.</summary>
    public required string JobSha256 { get; init; }

    public required string Program { get; init; }

    /// <summary>Every file of the checkpoint but the manifest itself.</summary>
    public required IReadOnlyList<CheckpointFile> Files { get; init; }

    /// <summary>Writes it, on the disk when this returns.</summary>
    /// <exception cref="IOException">The disk is full, or the folder does not exist.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written to.</exception>
    public void Save(string path, IFileSystem? files = null) =>
        AtomicFile.Write(files ?? LocalDisk.Instance, path, stream => JsonSerializer.Serialize(stream, this, RunJson.File));

    /// <summary>Reads it, and checks that every value can be one.</summary>
    /// <exception cref="CheckpointException">There is none, it cannot be read, or it is damaged.</exception>
    public static Manifest Load(string path, IFileSystem? files = null)
    {
        files ??= LocalDisk.Instance;
        try
        {
            if (!files.FileExists(path)) throw new CheckpointException($"'{path}' does not exist: the checkpoint is not complete");
            using var stream = files.OpenRead(path);
            if (stream.Length > MaxBytes) throw new CheckpointException($"'{path}' has {stream.Length} bytes; a manifest has at most {MaxBytes}");
            return Parse(stream, path);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            throw new CheckpointException($"'{path}' cannot be read: {error.Message}", error);
        }
    }

    private static Manifest Parse(Stream stream, string path)
    {
        Manifest? manifest;
        try
        {
            using var document = JsonDocument.Parse(stream, new() { AllowDuplicateProperties = false, MaxDepth = 4 });
            var root = document.RootElement;
            // What another version means by its values is not known here, so none of them is looked at.
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("version", out var version)
                && version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out var number) && number != CurrentVersion)
                throw new CheckpointException($"'{path}' is of version {number}; this program reads version {CurrentVersion}: use the program that wrote it");
            manifest = root.Deserialize<Manifest>(RunJson.File);
        }
        // InvalidOperationException: text that is no valid Unicode.
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"'{path}' is damaged: {error.Message}", error);
        }
        return manifest is null ? throw new CheckpointException($"'{path}' is damaged: it holds null")
            : manifest.Fault() is { } fault ? throw new CheckpointException($"'{path}' is damaged: {fault}")
            : manifest;
    }

    private string? Fault() =>
        Step < 0 ? $"step is {Step}; allowed: 0 or more"
        : Round < 0 ? $"round is {Round}; allowed: 0 or more"
        : Epoch < 0 ? $"epoch is {Epoch}; allowed: 0 or more"
        : !IsHex(Digest) || Digest.Length != DigestLength ? $"digest is '{Digest}'; allowed: {DigestLength} lower-case hexadecimal digits"
        : !IsSha256(JobSha256) ? $"job_sha256 is '{JobSha256}'; allowed: {Sha256Length} lower-case hexadecimal digits"
        : Files.Count > MaxFiles ? $"it lists {Files.Count} files; at most {MaxFiles} are allowed"
        : Files.Select(FaultOf).FirstOrDefault(fault => fault is not null)
            ?? (Files.CountBy(file => file.Name, StringComparer.Ordinal).FirstOrDefault(name => name.Value > 1).Key is { } twice ? $"it lists '{twice}' twice" : null);

    /// <summary>No name may lead out of the folder.</summary>
    private static string? FaultOf(CheckpointFile? file) =>
        file is null ? "it lists null for a file"
        : file.Name.Length == 0 || file.Name is "." or ".." || file.Name.AsSpan().ContainsAny("/\\\0") || file.Name == CheckpointFolder.ManifestName
            ? $"it lists '{file.Name}'; allowed: the name of a file beside it"
        : file.Bytes < 0 ? $"{file.Name} has {file.Bytes} bytes; allowed: 0 or more"
        : !IsSha256(file.Sha256) ? $"sha256 of {file.Name} is '{file.Sha256}'; allowed: {Sha256Length} lower-case hexadecimal digits"
        : null;

    private static bool IsSha256(string text) => text.Length == Sha256Length && IsHex(text);

    private static bool IsHex(string text) => text.Length > 0 && text.All(char.IsAsciiHexDigitLower);
}
