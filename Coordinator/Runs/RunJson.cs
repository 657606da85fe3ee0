using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>The JSON of a run folder: names in snake_case, enumerations by name, no duplicate properties.</summary>
internal static class RunJson
{
    public static JsonSerializerOptions Line { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new MetricName(), new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        // The loss of a diverged run is NaN.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static JsonSerializerOptions File { get; } = new(Line)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.Never,
        WriteIndented = true,
        NewLine = "\n",
    };

    private sealed class MetricName : JsonConverter<Metric>
    {
        public override Metric Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            Metric.Find(reader.GetString()) ?? throw new JsonException($"there is no metric '{reader.GetString()}'");

        public override void Write(Utf8JsonWriter writer, Metric value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Name);
    }
}
