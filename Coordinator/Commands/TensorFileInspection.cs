using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Commands;

internal sealed record TensorFileInspection : IInspection
{
    public string Kind => "safetensors";
    public required string File { get; init; }
    public required long Bytes { get; init; }
    public required string Sha256 { get; init; }
    /// <summary>SHA-256 of the tensors' bytes in file order, as in the report of a run. Null if the file is damaged.</summary>
    public string? TensorsSha256 { get; init; }
    public long Elements => Tensors.Sum(tensor => tensor.Elements);
    public long NotFinite => Tensors.Sum(tensor => tensor.Nan + tensor.Infinite);
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    public required IReadOnlyList<TensorSummary> Tensors { get; init; } // In file order; empty if the file is damaged
    public required IReadOnlyList<string> Damage { get; init; }

    public static TensorFileInspection Read(string path)
    {
        var inspection = new TensorFileInspection
        {
            File = path,
            Bytes = new FileInfo(path).Length,
            Sha256 = Convert.ToHexStringLower(SHA256.HashData([])),
            Metadata = new Dictionary<string, string>(),
            Tensors = [],
            Damage = [$"'{path}' is damaged: it is empty, or not a regular file"],
        };
        // Devices have length 0, and may be endless.
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
            return inspection with
            {
                Metadata = metadata,
                Tensors = tensors,
                TensorsSha256 = Convert.ToHexStringLower(hash.GetHashAndReset()),
            };
        }
        catch (SafetensorsException error)
        {
            return inspection with { Damage = [$"'{path}' is damaged: {error.Message.TrimEnd('.')}"] };
        }
    }
}

/// <summary>Min to Std are of the finite elements; null where there is none, or the elements are not floating point.</summary>
internal sealed record TensorSummary
{
    public required string Name { get; init; }
    /// <summary>As safetensors names it.</summary>
    [JsonPropertyName("dtype")]
    public required string DType { get; init; }
    public required IReadOnlyList<long> Shape { get; init; }
    public required long Elements { get; init; }
    public required long Bytes { get; init; }
    public double? Min { get; init; }
    public double? Max { get; init; }
    public double? Mean { get; init; }
    public double? Std { get; init; } // Population standard deviation
    public long Nan { get; init; }
    public long Infinite { get; init; }

    public static TensorSummary Of(TensorData tensor)
    {
        var size = Safetensors.ElementSizes[tensor.DType];
        var summary = new TensorSummary
        {
            Name = tensor.Name,
            DType = tensor.DType,
            Shape = tensor.Shape,
            Elements = tensor.Data.Length / size,
            Bytes = tensor.Data.Length,
        };
        return Reader(tensor.DType) is { } reader ? summary.With(tensor.Data.Span, size, reader) : summary;
    }

    private delegate double ReadElement(ReadOnlySpan<byte> element);

    private static ReadElement? Reader(string dtype) => dtype switch
    {
        "F64" => BinaryPrimitives.ReadDoubleLittleEndian,
        "F32" => static element => BinaryPrimitives.ReadSingleLittleEndian(element),
        "F16" => static element => (double)BinaryPrimitives.ReadHalfLittleEndian(element),
        "BF16" => static element => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(element) << 16),
        _ => null,
    };

    private TensorSummary With(ReadOnlySpan<byte> data, int size, ReadElement read)
    {
        long count = 0, nan = 0, infinite = 0;
        double min = double.PositiveInfinity, max = double.NegativeInfinity, mean = 0, squares = 0;
        for (; data.Length > 0; data = data[size..])
        {
            var value = read(data);
            if (double.IsNaN(value)) nan++;
            else if (double.IsInfinity(value)) infinite++;
            else
            {
                // Welford's algorithm: one pass, without the difference of two large squares.
                count++;
                (min, max) = (Math.Min(min, value), Math.Max(max, value));
                var distance = value - mean;
                mean += distance / count;
                squares += distance * (value - mean);
            }
        }
        var summary = this with { Nan = nan, Infinite = infinite };
        return count == 0 ? summary : summary with { Min = min, Max = max, Mean = mean, Std = Math.Sqrt(squares / count) };
    }
}
