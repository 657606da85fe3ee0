using System.Security.Cryptography;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Commands;

internal sealed record TensorFileInspection : IInspection
{
    public string Kind => "safetensors";

    public required string File { get; init; }

    public required long Bytes { get; init; }

    /// <summary>SHA-256 of its bytes, in lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>SHA-256 of the tensors' bytes, one behind the other in the order of the file: what a run's report gives for the parameters. Null where it is damaged.</summary>
    public string? TensorsSha256 { get; init; }

    public long Elements => Tensors.Sum(tensor => tensor.Elements);

    /// <summary>Elements, of all tensors, that are no number or infinite.</summary>
    public long NotFinite => Tensors.Sum(tensor => tensor.Nan + tensor.Infinite);

    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Its tensors, in the order of their data; none where it is damaged.</summary>
    public required IReadOnlyList<TensorSummary> Tensors { get; init; }

    public required IReadOnlyList<string> Damage { get; init; }

    /// <summary>Reads every byte of a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static TensorFileInspection Read(string path)
    {
        var inspection = new TensorFileInspection
        {
            File = path,
            Bytes = new FileInfo(path).Length,
            Sha256 = Convert.ToHexStringLower(SHA256.HashData([])),
            Metadata = new Dictionary<string, string>(),
            Tensors = [],
            Damage = [$"'{path}' is damaged: it is empty, or no file"],
        };
        // Devices have no length, and perhaps no end.
        if (inspection.Bytes == 0) return inspection;
        using var file = System.IO.File.OpenRead(path);
        inspection = inspection with { Sha256 = Convert.ToHexStringLower(SHA256.HashData(file)), Damage = [] };
        file.Position = 0;
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            List<TensorSummary> tensors = [];
            var metadata = Safetensors.ForEach(file, tensor =>
            {
                hash.AppendData(tensor.Data.Span);
                tensors.Add(TensorSummary.Of(tensor));
            });
            return inspection with { Metadata = metadata, Tensors = tensors, TensorsSha256 = Convert.ToHexStringLower(hash.GetHashAndReset()) };
        }
        catch (SafetensorsException error)
        {
            return inspection with { Damage = [$"'{path}' is damaged: {error.Message.TrimEnd('.')}"] };
        }
    }
}
