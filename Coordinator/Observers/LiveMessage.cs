using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Observers;

/// <summary>What a page receives: in its first message everything, afterwards the changes. Null means unchanged.</summary>
internal sealed record LiveMessage
{
    public LiveRunInfo? Run { get; init; } // In the first message only, which replaces everything that the page had
    public LiveStatus? Status { get; init; }
    public IReadOnlyList<LiveWorker>? Workers { get; init; }
    public int MoreWorkers { get; init; } // Number of workers beyond the listed ones
    public IReadOnlyList<LiveEvent>? Events { get; init; }
    public CurvePart? Train { get; init; }
    public CurvePart? Test { get; init; }
    public CurvePart? Metric { get; init; }
    public CurvePart? Speed { get; init; } // Samples per second
    public IReadOnlyList<LiveFile>? Files { get; init; }
}

/// <param name="Epochs">0 for an evaluation.</param>
/// <param name="IsShare">Whether the metric is shown as a percentage.</param>
internal sealed record LiveRunInfo(string Name, string About, int Epochs, string Metric, bool IsShare);

internal enum LiveOutcome
{
    Running,
    Finished,
    Failed,
    Unfinished, // Neither running nor finished: its coordinator is gone
}

internal sealed record LiveStatus
{
    public required LiveOutcome Outcome { get; init; }
    public string? Reason { get; init; } // Of a failure
    public required string Phase { get; init; }
    public required int Epoch { get; init; } // From 1; 0 before the first
    public required long Step { get; init; }
    public required long Steps { get; init; } // Steps of the job; 0 while unknown
    public long? StepsPerEpoch { get; init; }
    public required bool IsTested { get; init; } // Whether the data has a test set; true while unknown
    public double? Loss { get; init; } // Null before the first step, and where the loss is not finite
    public long? DivergedAt { get; init; } // The first step of a loss that is not finite; null while the loss is finite
    public double? Metric { get; init; } // Null before the first evaluation, and where the metric is not finite
    public required double SamplesPerSecond { get; init; }
    public double? TimeLeft { get; init; } // Seconds; null while unknown
    public required int Workers { get; init; }
    public required int Generation { get; init; } // 0 before the first
}

/// <param name="Number">From 1, in the order of the events.</param>
internal sealed record LiveEvent(long Number, DateTimeOffset At, long Step, RunEventKind Kind, string? Worker, string Text);

internal sealed record LiveFile(string Name, long Bytes);

/// <summary>Writes NaN and infinity as null, since JSON has no such numbers.</summary>
internal static class LiveJson
{
    private static readonly JsonSerializerOptions _options = new(RunJson.Line)
    {
        NumberHandling = JsonNumberHandling.Strict,
        Converters = { new Finite<double>(), new Finite<float>() },
    };

    public static byte[] Of(LiveMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, _options);

    private sealed class Finite<T> : JsonConverter<T>
        where T : struct, IFloatingPointIeee754<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException("Messages are only written.");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
        {
            if (!T.IsFinite(value)) writer.WriteNullValue();
            else if (value is float single) writer.WriteNumberValue(single);
            else writer.WriteNumberValue(double.CreateChecked(value));
        }
    }
}
