using System.Globalization;
using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Observers;

/// <summary>Writes a line every <see cref="Interval"/>, and when the phase or the evaluation changes; never the same twice.</summary>
internal sealed class PlainProgress(TextWriter output, TimeProvider time) : IProgressView
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);
    private readonly Lock _lock = new();
    private string? _line;
    private string? _phase;
    private MetricValue? _testMetric;
    private long _writtenAt;

    public void Update(TrainingProgress p)
    {
        lock (_lock)
        {
            var line = string.Join("  ", Parts(p));
            if (line == _line || p.Phase == _phase && Equals(p.TestMetric, _testMetric) && time.GetElapsedTime(_writtenAt) < Interval)
                return;
            (_line, _phase, _testMetric, _writtenAt) = (line, p.Phase, p.TestMetric, time.GetTimestamp());
            WriteLine(line);
        }
    }

    public void Message(string line)
    {
        lock (_lock) WriteLine(Shown.InFull(line));
    }

    public void Dispose() { }

    private void WriteLine(string line)
    {
        output.WriteLine(line);
        output.Flush();
    }

    private static IEnumerable<string> Parts(TrainingProgress p)
    {
        yield return p.Phase;
        if (p.Epoch > 0) yield return $"epoch {p.Epoch}/{p.Epochs}";
        yield return $"step {p.Step}/{p.Steps}";
        if (p.Loss is { } loss) yield return $"loss {ProgressText.Loss(loss)}";
        if (p.TestMetric is { } metric) yield return $"test {metric}";
        if (p.SamplesPerSecond > 0) yield return ProgressText.Speed(p.SamplesPerSecond);
        if (p.TimeLeft is { } left) yield return $"{ProgressText.Time(left)} left";
        if (p.Workers.Length > 0) yield return p.Workers.Length == 1 ? "1 worker" : $"{p.Workers.Length} workers";
    }
}

internal static class ProgressText
{
    public static string Loss(double loss) => $"{loss:0.0000}";

    public static string Speed(double samplesPerSecond) =>
        samplesPerSecond.ToString(samplesPerSecond < 100 ? "0.0" : "#,0", CultureInfo.InvariantCulture) + " samples/s";

    public static string Time(TimeSpan time) => time.TotalHours < 1
        ? time.ToString(@"m\:ss", CultureInfo.InvariantCulture)
        : $"{(long)time.TotalHours}:{time:mm\\:ss}";
}
