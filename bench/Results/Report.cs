using System.Text.Encodings.Web;
using System.Text.Json;

namespace Distributed.Bench.Results;

/// <summary>The result of a run of the benchmarks.</summary>
internal sealed record Report(Machine Machine, IReadOnlyList<Row> Rows)
{
    private static readonly JsonSerializerOptions _options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // The JSON is never embedded in HTML.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NewLine = "\n",
    };

    public string ToJson() => JsonSerializer.Serialize(this, _options);
}
