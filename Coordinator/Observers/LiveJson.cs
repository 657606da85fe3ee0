using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Observers;

/// <summary>How messages become JSON that a browser reads: it knows neither NaN nor infinity, so that these are null.</summary>
internal static class LiveJson
{
    private static readonly JsonSerializerOptions _options = new(RunJson.Line)
    {
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new Finite<double>(), new Finite<float>() },
    };

    /// <summary>A message, in one line.</summary>
    public static byte[] Of(LiveMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, _options);

    private sealed class Finite<T> : JsonConverter<T>
        where T : struct, IFloatingPointIeee754<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException("Messages are only written.");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
        {
            if (!T.IsFinite(value)) writer.WriteNullValue();
            else if (value is float single) writer.WriteNumberValue(single);
            else writer.WriteNumberValue(double.CreateChecked(value));
        }
    }
}
