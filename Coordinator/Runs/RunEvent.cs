using System.Text.Json;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

/// <summary>The kind of a <see cref="RunEvent"/>.</summary>
public enum RunEventKind
{
    /// <summary>Information.</summary>
    Note,
    /// <summary>Something is wrong, but training goes on.</summary>
    Fault,
    /// <summary>A worker has joined.</summary>
    Joined,
    /// <summary>A worker is gone without having asked to leave.</summary>
    Lost,
    /// <summary>The coordinator restarts a local worker.</summary>
    Restarted,
    /// <summary>The coordinator has refused a worker.</summary>
    Refused,
    /// <summary>A worker has left at its own or a user's request.</summary>
    Left,
    /// <summary>A generation begins.</summary>
    Generation,
    /// <summary>A checkpoint is stored.</summary>
    Checkpoint,
    /// <summary>The run is complete.</summary>
    Finished,
    /// <summary>The run has failed.</summary>
    Failed,
}

/// <summary>Something that happened in a run: a line of <c>events.jsonl</c>.</summary>
internal sealed record RunEvent
{
    public const int MaxText = 16_384;

    // Every character of the text escaped, and the names of all workers.
    private const int MaxLine = (6 * MaxText) + (MessageBounds.MaxWorkers * (MessageBounds.MaxWorkerId + 3)) + 4096;

    public required DateTimeOffset At { get; init; }
    public required long Step { get; init; }
    public required RunEventKind Kind { get; init; }
    public string? Worker { get; init; }
    public IReadOnlyList<string>? Workers { get; init; } // The workers of a new generation; null for other events.
    public required string Text { get; init; }

    public string ToLine() =>
        JsonSerializer.Serialize(Text.Length <= MaxText ? this : this with { Text = Text[..MaxText] }, RunJson.Line);

    /// <summary>Reads the events of a file, oldest first. Skips malformed lines, which a power cut may leave.</summary>
    /// <param name="from">0, or what an earlier call returned.</param>
    /// <returns>The offset behind the last complete line.</returns>
    public static long ReadAll(IFileSystem files, string path, Action<RunEvent> tell, long from = 0)
    {
        if (!files.FileExists(path)) return 0;
        using var file = files.OpenRead(path);
        // A resumed run may have cut the file off.
        file.Position = from = Math.Min(from, file.Length);
        var reader = new LineReader(file, MaxLine);
        while (reader.Next(out var line))
            if (Parse(line) is { } happened) tell(happened);
        return from + reader.Offset;
    }

    private static RunEvent? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize<RunEvent>(line, RunJson.Line);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
