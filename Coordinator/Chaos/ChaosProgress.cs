using System.Security.Cryptography;
using System.Text.Json;
using Distributed.Coordinator.Runs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Chaos;

internal static class HistoryTail
{
    // The step of the last complete line of a run's history; 0 without one. It keeps nothing between calls: a resumed run may rewrite the
    // file.
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

internal sealed class StallGuard(TimeProvider time)
{
    /// <summary>Longer than any fault delays a run: the coordinator evicts a frozen worker after 20 s.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(120);
    private long _step;
    private long _since = time.GetTimestamp();

    public bool IsStalledAt(long step)
    {
        if (step != _step) (_step, _since) = (step, time.GetTimestamp());
        return time.GetElapsedTime(_since) >= Timeout;
    }
}

/// <summary>The result of a finished run. Numbers that its report lacks are null.</summary>
internal sealed record ChaosResult(string ModelSha256, long Steps, long? Generations, long? StepsRedone)
{
    public static ChaosResult Read(string folder)
    {
        using var model = File.OpenRead(Path.Combine(folder, RunFiles.Model));
        using var report = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, RunFiles.Report)));
        return new(
            Convert.ToHexStringLower(SHA256.HashData(model)),
            Number(report, "steps") ?? throw new JsonException($"the report in {folder} has no number of steps"),
            Number(report, "generations"), Number(report, "steps_redone"));
    }

    private static long? Number(JsonDocument report, string name) =>
        report.RootElement.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) ? number : null;
}
