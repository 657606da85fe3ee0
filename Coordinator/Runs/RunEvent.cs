using System.Text.Json;

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
public sealed record RunEvent
{
    /// <summary>When.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Steps that were applied by then.</summary>
    public required long Step { get; init; }

    /// <summary>What kind of thing.</summary>
    public required RunEventKind Kind { get; init; }

    /// <summary>The worker that it is about; null where it is about none.</summary>
    public string? Worker { get; init; }

    /// <summary>In a user's words.</summary>
    public required string Text { get; init; }

    /// <summary>As a line.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, RunJson.Line);

    /// <summary>
    /// Those of a file, up to the first line that is none: what was written last before a machine went down may be anything, and no
    /// run depends on it.
    /// </summary>
    public static IReadOnlyList<RunEvent> ReadAll(string path) =>
        [.. LineLog.Lines(path, header: null).Select(Parse).TakeWhile(happened => happened is not null).OfType<RunEvent>()];

    private static RunEvent? Parse(string line)
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
