using Distributed.Coordinator.Runs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Chaos;

/// <summary>How far a run is, from the history that it writes.</summary>
internal static class HistoryTail
{
    /// <summary>
    /// The step of the last complete line; 0 while there is none. Nothing is kept between two calls: a resumed run may begin the
    /// file anew.
    /// </summary>
    public static long LastStep(string runFolder)
    {
        try
        {
            var line = CsvTail.LastLine(Path.Combine(runFolder, RunFiles.History));
            return long.TryParse(line?.Split(',')[0], out var step) ? step : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
