using System.Text;
using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <summary>What a file of comma-separated values was found to hold.</summary>
/// <param name="Lines">Lines behind the header that can be read, none of which is missing.</param>
/// <param name="Fault">The number of the first line, the header being 1, that cannot be read or does not follow; null where there is none.</param>
/// <param name="Behind">Lines from that one on. A torn last line, which every crash may leave, is no line.</param>
internal readonly record struct FoundLines(long Lines, long? Fault = null, long Behind = 0);

/// <summary>
/// Reads <c>history.csv</c> and <c>evaluations.csv</c> from their beginning up to the first line that is damaged, or does not follow the
/// one before it. Needs memory for one line.
/// </summary>
/// <param name="files">Where they are.</param>
internal sealed class RecordedLines(IFileSystem files, string folder)
{
    /// <summary>Bytes that a line may have; six numbers have at most 140.</summary>
    public const int MaxLine = 1024;

    private delegate bool IsLine(long index, ReadOnlySpan<byte> line);

    /// <summary>How much of the history can be used: the steps from 1 on.</summary>
    /// <param name="stepsPerEpoch">Steps of an epoch, if they are known.</param>
    /// <exception cref="IOException">The disk has failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public (FoundLines Found, long Bytes) History(int? stepsPerEpoch = null, long most = long.MaxValue, Action<HistoryRow>? tell = null) =>
        Read(RunFiles.History, HistoryRow.Header, most, (index, line) =>
        {
            if (HistoryRow.TryParse(line) is not { } row || row.Step != index + 1) return false;
            if (stepsPerEpoch is { } steps && row.Epoch != (index / steps) + 1) return false;
            tell?.Invoke(row);
            return true;
        });

    /// <summary>How much of the evaluations can be used: those of the epochs from 1 on.</summary>
    /// <param name="stepsPerEpoch">Steps of an epoch, if they are known; 0 in a job without training.</param>
    /// <exception cref="IOException">The disk has failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public (FoundLines Found, long Bytes) Evaluations(Metric metric, int? stepsPerEpoch = null, long most = long.MaxValue, Action<EpochResult>? tell = null) =>
        Read(RunFiles.Evaluations, EpochResult.Header(metric), most, (index, line) =>
        {
            if (EpochResult.TryParse(line, metric) is not { } result || result.Epoch != index + 1) return false;
            if (stepsPerEpoch is { } steps && result.Step != (index + 1) * steps) return false;
            tell?.Invoke(result);
            return true;
        });

    private (FoundLines Found, long Bytes) Read(string name, string header, long most, IsLine isLine)
    {
        var path = Path.Combine(folder, name);
        if (!files.FileExists(path)) return default;
        using var file = files.OpenRead(path);
        var reader = new LineReader(file, MaxLine);
        if (!reader.Next(out var first)) return default;
        if (!first.SequenceEqual(Encoding.UTF8.GetBytes(header))) return (new(0, 1, 1 + Count(reader)), 0);
        var (lines, bytes) = (0L, reader.Offset);
        while (lines < most && reader.Next(out var line))
        {
            if (!isLine(lines, line)) return (new(lines, lines + 2, 1 + Count(reader)), bytes);
            (lines, bytes) = (lines + 1, reader.Offset);
        }
        return (new(lines), bytes);
    }

    private static long Count(LineReader reader)
    {
        var count = 0L;
        while (reader.Next(out _)) count++;
        return count;
    }
}
