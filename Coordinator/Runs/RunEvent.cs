using System.Text.Json;
using Distributed.Coordinator.Storage;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

/// <summary>What kind of thing has happened in a run.</summary>
public enum RunEventKind
{
    /// <summary>Something a person wants to know.</summary>
    Note,
    /// <summary>Something is wrong, and training goes on.</summary>
    Fault,
    /// <summary>A worker has come.</summary>
    Joined,
    /// <summary>A worker is gone without a word.</summary>
    Lost,
    /// <summary>A worker is started again.</summary>
    Restarted,
    /// <summary>A worker was turned away.</summary>
    Refused,
    /// <summary>A worker has gone as it wanted, or was asked, to.</summary>
    Left,
    /// <summary>A generation has begun.</summary>
    Generation,
    /// <summary>A checkpoint is stored.</summary>
    Checkpoint,
    /// <summary>The run is done.</summary>
    Finished,
    /// <summary>The run cannot go on.</summary>
    Failed,
}

/// <summary>Something that has happened in a run. As a line of JSON, it reads back the same.</summary>
internal sealed record RunEvent
{
    public const int MaxText = 16_384;

    /// <summary>Bytes that a line may have: every character of the text escaped, and the names of all workers.</summary>
    private const int MaxLine = (6 * MaxText) + (MessageBounds.MaxWorkers * (MessageBounds.MaxWorkerId + 3)) + 4096;

    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    public required long Step { get; init; }

    public required RunEventKind Kind { get; init; }

    /// <summary>The worker that it is about; null where it is about none.</summary>
    public string? Worker { get; init; }

    /// <summary>The workers that a generation begins with; null for other events.</summary>
    public IReadOnlyList<string>? Workers { get; init; }

    public required string Text { get; init; }

    public string ToLine() => JsonSerializer.Serialize(Text.Length <= MaxText ? this : this with { Text = Text[..MaxText] }, RunJson.Line);

    /// <summary>
    /// Tells those of a file, the oldest first. Lines that cannot be read are passed over: what was written last before a machine went
    /// down may be anything, and no run depends on it.
    /// </summary>
    /// <param name="files">Where the file is.</param>
    /// <param name="path">The file; it may be missing.</param>
    /// <param name="from">Where to begin: 0, or what an earlier call returned.</param>
    /// <returns>Bytes up to the end of the last line.</returns>
    /// <exception cref="IOException">The disk has failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static long ReadAll(IFileSystem files, string path, Action<RunEvent> tell, long from = 0)
    {
        if (!files.FileExists(path)) return 0;
        using var file = files.OpenRead(path);
        // A resumed run cuts off what is behind the last whole line.
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
