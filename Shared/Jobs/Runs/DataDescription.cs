using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Distributed.Jobs.Runs;

/// <summary>What a user of a trained model must know about its training data. A worker sends it, and the run's folder keeps it.</summary>
internal sealed record DataDescription
{
    public const int MaxLength = 100_000; // Characters of its JSON.
    public const int MaxBytes = 4 * MaxLength; // Bytes of a file with its JSON.
    public const int MaxClasses = 1000;
    public const int MaxClassName = 64; // Characters of the name of a class.

    private const int MaxDimensions = 16;

    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    public required string Data { get; init; } // The name of a known data set, or the kind of the user's own files.
    public required IReadOnlyList<int> Shape { get; init; } // Sizes of a sample's inputs; for an image: channels, rows, columns.

    public required IReadOnlyList<string> Classes { get; init; } // The names of the classes, in order; empty if a target is not a class.
    public float? Scale { get; init; } // For images: the factor that scales a raw pixel to 0 to 1.

    public IReadOnlyList<string> Notes { get; init; } = []; // For people: how the data was read.

    public string ToJson() => JsonSerializer.Serialize(this, _options);

    /// <summary>Reads JSON that may come from an untrusted source.</summary>
    public static DataDescription Parse(string json)
    {
        if (json.Length > MaxLength) throw new FormatException($"it has {json.Length} characters; at most {MaxLength} are allowed");
        try
        {
            var read = JsonSerializer.Deserialize<DataDescription>(json, _options)
                ?? throw new FormatException("null is not a description of data");
            return read.Fault() is { } fault ? throw new FormatException(fault) : read;
        }
        catch (JsonException error)
        {
            throw new FormatException(error.Message, error);
        }
    }

    private string? Fault()
    {
        if (Shape.Count is < 1 or > MaxDimensions || Shape.Any(size => size < 1))
        {
            return $"its shape is [{string.Join(", ", Shape.Take(MaxDimensions))}]; "
                + $"allowed: 1 to {MaxDimensions} sizes of at least 1";
        }
        if (Classes.Count > MaxClasses || Classes.Any(name => name.Length is 0 or > MaxClassName || name.Any(char.IsControl)))
        {
            return $"it has {Classes.Count} classes; allowed: up to {MaxClasses}, "
                + $"with names of 1 to {MaxClassName} characters on one line";
        }
        if (Classes.Distinct(StringComparer.Ordinal).Count() < Classes.Count) return "two of its classes have the same name";
        return Scale is { } scale && !(scale > 0 && float.IsFinite(scale)) ? $"its scale is {scale}; allowed: above 0" : null;
    }
}
