namespace Distributed.Coordinator.Chaos;

/// <summary>How far a run is, from the history that it writes.</summary>
public static class HistoryTail
{
    private const string FileName = "history.csv";

    /// <summary>Longer than two lines of a history.</summary>
    private const int Length = 1024;

    /// <summary>
    /// The step of the last complete line; 0 while there is none. Nothing is kept between two calls: a resumed run may begin the
    /// file anew.
    /// </summary>
    public static long LastStep(string runFolder)
    {
        try
        {
            using var file = new FileStream(
                Path.Combine(runFolder, FileName), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            file.Seek(-Math.Min(Length, file.Length), SeekOrigin.End);
            Span<byte> bytes = stackalloc byte[Length];
            bytes = bytes[..file.ReadAtLeast(bytes, Length, throwOnEndOfStream: false)];
            var end = bytes.LastIndexOf((byte)'\n');
            if (end < 0) return 0;
            var line = bytes[(bytes[..end].LastIndexOf((byte)'\n') + 1)..end];
            var comma = line.IndexOf((byte)',');
            return comma > 0 && long.TryParse(line[..comma], out var step) ? step : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
