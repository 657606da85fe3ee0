using System.Text.Encodings.Web;
using System.Text.Json;

namespace Distributed.Bench.Results;

/// <summary>Everything that a run of the benchmarks found.</summary>
/// <param name="Machine">Where it ran.</param>
/// <param name="Rows">What it found.</param>
internal sealed record Report(Machine Machine, IReadOnlyList<Row> Rows)
{
    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // For files and eyes, never for a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NewLine = "\n",
    };

    /// <summary>As indented JSON with names in snake_case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, _options);
}
