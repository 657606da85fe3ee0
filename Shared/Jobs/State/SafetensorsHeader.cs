using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Distributed.Jobs.State;

/// <summary>The JSON header, which describes each tensor and its place in the bytes after it.</summary>
internal sealed record SafetensorsHeader(
    ImmutableArray<SafetensorsHeader.Entry> Entries, ImmutableSortedDictionary<string, string> Metadata)
{
    private const string MetadataKey = "__metadata__";
    private const int Alignment = 8;

    private static readonly ImmutableSortedDictionary<string, string> _noMetadata =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    private static readonly UTF8Encoding _strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A tensor in the bytes <paramref name="Begin"/> (inclusive) to <paramref name="End"/> after the header.</summary>
    internal sealed record Entry(string Name, string DType, ImmutableArray<long> Shape, long Begin, long End)
    {
        public long Length => End - Begin;
    }

    public SafetensorsContent With(Func<Entry, ReadOnlyMemory<byte>> data) =>
        new([.. Entries.Select(e => new TensorData(e.Name, e.DType, e.Shape, data(e)))], Metadata);

    public static byte[] Write(IReadOnlyCollection<TensorData> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 }) WriteMetadata(json, metadata);
            WriteTensors(json, tensors);
            json.WriteEndObject();
        }
        var padding = -buffer.WrittenCount & (Alignment - 1);
        buffer.GetSpan(Alignment)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenCount <= Safetensors.MaxHeaderLength
            ? buffer.WrittenSpan.ToArray()
            : throw new ArgumentException(
                $"The header takes {buffer.WrittenCount} bytes; at most {Safetensors.MaxHeaderLength} are allowed.", nameof(tensors));
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject(MetadataKey);
        foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            json.WriteString(Text(key), Text(value));
        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, IReadOnlyCollection<TensorData> tensors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { MetadataKey };
        var begin = 0L;
        foreach (var tensor in tensors)
        {
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"The name '{tensor.Name}' is taken: names are unique, not '{MetadataKey}'.", nameof(tensors));
            if (ByteLength(tensor.DType, tensor.Shape, out var problem) is var expected && expected != tensor.Data.Length)
            {
                problem ??= $"its shape needs {expected} bytes; it has {tensor.Data.Length}.";
                throw new ArgumentException($"Tensor '{tensor.Name}': {problem}", nameof(tensors));
            }

            json.WriteStartObject(Text(tensor.Name));
            json.WriteString("dtype", tensor.DType);
            WriteNumbers(json, "shape", tensor.Shape.AsSpan());
            WriteNumbers(json, "data_offsets", [begin, begin + tensor.Data.Length]);
            json.WriteEndObject();
            begin += tensor.Data.Length;
        }
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    /// <summary>The JSON writer replaces a lone surrogate by U+FFFD, which could make two names equal.</summary>
    private static byte[] Text(string text) => _strictUtf8.GetBytes(text);

    /// <param name="dataLength">Bytes after the header, which the tensors must cover exactly.</param>
    public static SafetensorsHeader Read(ReadOnlyMemory<byte> json, long dataLength)
    {
        if (json.Span is not [(byte)'{', ..])
            throw new SafetensorsException("The header does not begin with '{'. Is this a safetensors file?");
        var header = Parse(json);
        var end = 0L;
        foreach (var entry in header.Entries)
        {
            if (entry.Begin != end)
                throw new SafetensorsException(
                    $"Tensor '{entry.Name}': its data begins at byte {entry.Begin} and should at {end}: "
                    + "tensors follow each other with neither gap nor overlap.");
            end = entry.End;
        }
        return end == dataLength
            ? header
            : throw new SafetensorsException(
                $"The tensors take {end} bytes but {dataLength} follow the header: "
                + (end > dataLength ? "the file is cut short." : "bytes that belong to no tensor are not allowed."));
    }

    private static SafetensorsHeader Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 3 });
            var entries = ImmutableArray.CreateBuilder<Entry>();
            var metadata = _noMetadata;
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.NameEquals(MetadataKey)) metadata = ParseMetadata(property.Value);
                else entries.Add(ParseEntry(property.Name, property.Value));
            }
            return new([.. entries.OrderBy(e => e.Begin).ThenBy(e => e.End)], metadata);
        }
        // InvalidOperationException: invalid UTF-8, or a lone surrogate.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new SafetensorsException($"The header is not the JSON it should be: {e.Message}", e);
        }
    }

    private static ImmutableSortedDictionary<string, string> ParseMetadata(JsonElement value) =>
        value.ValueKind is JsonValueKind.Object && value.EnumerateObject().All(p => p.Value.ValueKind is JsonValueKind.String)
            ? _noMetadata.AddRange(value.EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value.GetString()!)))
            : throw new SafetensorsException($"'{MetadataKey}' in the header must map text to text.");

    private static Entry ParseEntry(string name, JsonElement value)
    {
        if (value.ValueKind is not JsonValueKind.Object
            || value.GetPropertyCount() != 3
            || !value.TryGetProperty("dtype", out var dtype) || dtype.ValueKind is not JsonValueKind.String
            || !value.TryGetProperty("shape", out var shape) || !TryGetSizes(shape, out var sizes)
            || !value.TryGetProperty("data_offsets", out var offsets) || !TryGetSizes(offsets, out var range)
            || range is not [var begin, var end])
            throw new SafetensorsException(
                $"Tensor '{name}' in the header must have a text 'dtype', a 'shape' of whole numbers from 0, "
                + "'data_offsets' of two such numbers, and nothing else.");

        var length = ByteLength(dtype.GetString()!, sizes, out var problem);
        if (problem is not null) throw new SafetensorsException($"Tensor '{name}': {problem}");
        if (end < begin || end - begin != length)
            throw new SafetensorsException(
                $"Tensor '{name}': 'data_offsets' [{begin},{end}] should span the {length} bytes that its dtype and shape need.");
        return new(name, dtype.GetString()!, sizes, begin, end);
    }

    private static bool TryGetSizes(JsonElement value, out ImmutableArray<long> sizes)
    {
        sizes = [];
        if (value.ValueKind is not JsonValueKind.Array) return false;
        var builder = ImmutableArray.CreateBuilder<long>(value.GetArrayLength());
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind is not JsonValueKind.Number || !item.TryGetInt64(out var size) || size < 0) return false;
            builder.Add(size);
        }
        sizes = builder.MoveToImmutable();
        return true;
    }

    /// <returns>The bytes of a tensor, or -1 with the <paramref name="problem"/>.</returns>
    private static long ByteLength(string dtype, ImmutableArray<long> shape, out string? problem)
    {
        problem = null;
        if (!Safetensors.ElementSizes.TryGetValue(dtype, out var elementSize))
            problem = $"its dtype '{dtype}' is unknown; known are "
                + $"{string.Join(", ", Safetensors.ElementSizes.Keys.Order(StringComparer.Ordinal))}.";
        else if (shape.Any(size => size < 0))
            problem = $"its shape [{string.Join(",", shape)}] has a negative size.";
        if (problem is not null) return -1;
        try
        {
            return shape.Aggregate((long)elementSize, (length, size) => checked(length * size));
        }
        catch (OverflowException)
        {
            problem = $"its shape [{string.Join(",", shape)}] needs more than {long.MaxValue} bytes.";
            return -1;
        }
    }
}
