using System.Buffers.Binary;
using System.Text.Json.Serialization;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Commands;

/// <summary>A tensor at a glance. The numbers below <see cref="Bytes"/> are of its finite elements; null where it has none, or they are no floats.</summary>
internal sealed record TensorSummary
{
    public required string Name { get; init; }

    /// <summary>The type of its elements, as safetensors names it.</summary>
    [JsonPropertyName("dtype")]
    public required string DType { get; init; }

    /// <summary>Sizes, outermost first.</summary>
    public required IReadOnlyList<long> Shape { get; init; }

    public required long Elements { get; init; }

    public required long Bytes { get; init; }

    public double? Min { get; init; }

    public double? Max { get; init; }

    public double? Mean { get; init; }

    /// <summary>The standard deviation, of these elements and not of a population that they are drawn from.</summary>
    public double? Std { get; init; }

    public long Nan { get; init; }

    /// <summary>Elements that are infinite, of either sign.</summary>
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
                // Welford's sums: in one pass, without the difference of two large squares.
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
