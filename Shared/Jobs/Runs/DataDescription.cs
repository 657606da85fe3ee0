using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Distributed.Jobs.Runs;

/// <summary>
/// What whoever uses a trained model must know of the data that it has learned from. A worker tells it, since the coordinator has no
/// data; a run's folder keeps it.
/// </summary>
internal sealed record DataDescription
{
    /// <summary>Characters that its text may have.</summary>
    public const int MaxLength = 100_000;

    /// <summary>Bytes that a file with its text may have.</summary>
    public const int MaxBytes = 4 * MaxLength;

    /// <summary>Classes that it may name.</summary>
    public const int MaxClasses = 1000;

    /// <summary>Characters that the name of a class may have.</summary>
    public const int MaxClassName = 64;

    private const int MaxDimensions = 16;

    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    /// <summary>The data set's name, or the kind of a user's own.</summary>
    public required string Data { get; init; }

    /// <summary>Sizes of the dimensions of a sample's inputs; of an image: channels, rows, columns.</summary>
    public required IReadOnlyList<int> Shape { get; init; }

    /// <summary>The classes' names, in their order; none where a target is no class.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>Where samples are images: what a raw pixel is multiplied with to lie in 0 to 1.</summary>
    public float? Scale { get; init; }

    /// <summary>What people want to know of how it was read.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    public string ToJson() => JsonSerializer.Serialize(this, _options);

    /// <summary>From JSON, which may come from anywhere.</summary>
    /// <exception cref="FormatException">It is no description.</exception>
    public static DataDescription Parse(string json)
    {
        if (json.Length > MaxLength) throw new FormatException($"it has {json.Length} characters; at most {MaxLength} are allowed");
        try
        {
            var read = JsonSerializer.Deserialize<DataDescription>(json, _options) ?? throw new FormatException("null is no description of data");
            return read.Fault() is { } fault ? throw new FormatException(fault) : read;
        }
        catch (JsonException error)
        {
            throw new FormatException(error.Message, error);
        }
    }

    private string? Fault() => true switch
    {
        _ when Shape.Count is < 1 or > MaxDimensions || Shape.Any(size => size < 1) => $"its shape is [{string.Join(", ", Shape.Take(MaxDimensions))}]; allowed: 1 to {MaxDimensions} sizes of at least 1",
        _ when Classes.Count > MaxClasses || Classes.Any(name => name.Length is 0 or > MaxClassName || name.Any(char.IsControl)) => $"it has {Classes.Count} classes; allowed: up to {MaxClasses}, with names of 1 to {MaxClassName} characters on one line",
        _ when Classes.Distinct(StringComparer.Ordinal).Count() < Classes.Count => "two of its classes have the same name",
        _ when Scale is { } scale && !(scale > 0 && float.IsFinite(scale)) => $"its scale is {scale}; allowed: above 0",
        _ => null,
    };
}
