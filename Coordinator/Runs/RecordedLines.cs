using System.Text;
using Distributed.Coordinator.Storage;
using Distributed.Core.Scores;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Runs;

/// <param name="Lines">Valid lines behind the header.</param>
/// <param name="Fault">The number of the first line that is malformed or out of order; the header is line 1.</param>
/// <param name="Behind">Lines from that one on. A torn last line, which every crash may leave, does not count.</param>
internal readonly record struct FoundLines(long Lines, long? Fault = null, long Behind = 0);

// Reads history.csv and evaluations.csv up to the first line that is malformed or out of order. Needs memory for one line.
internal sealed class RecordedLines(IFileSystem files, string folder)
{
    private const int MaxLine = 1024; // In bytes; six numbers have at most 140.

    private delegate bool IsLine(long index, ReadOnlySpan<byte> line);

    public (FoundLines Found, long Bytes) History(int? stepsPerEpoch = null, long most = long.MaxValue, Action<HistoryRow>? tell = null) =>
        Read(RunFiles.History, HistoryRow.Header, most, (index, line) =>
        {
            if (HistoryRow.TryParse(line) is not { } row || row.Step != index + 1) return false;
            if (stepsPerEpoch is { } steps && row.Epoch != (index / steps) + 1) return false;
            tell?.Invoke(row);
            return true;
        });

    public (FoundLines Found, long Bytes) Evaluations(
        Metric metric, int? stepsPerEpoch = null, long most = long.MaxValue, Action<EpochResult>? tell = null) =>
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
