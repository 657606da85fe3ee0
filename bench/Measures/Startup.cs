using System.Globalization;
using System.Text.RegularExpressions;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>The time from the command to the first applied step, for the embedded job on two local workers, by stage.</summary>
internal static partial class Startup
{
    private const int Batch = 64;
    private const double LimitSeconds = 2;

    // Log lines in the order of a start; if several processes log a line, the last one counts.
    private static readonly (string Name, string Log, string Line)[] _stages =
    [
        ("coordinator's process", "coordinator.log", "Starting remoting"),
        ("coordinator's cluster", "coordinator.log", "is JOINING itself"),
        ("workers' processes", "worker-*.log", "Starting remoting"),
        ("workers in the cluster", "worker-*.log", "Welcome from"),
        ("workers taken in", "worker-*.log", "Joined as"),
        ("workers prepared", "worker-*.log", "Prepared:"),
        ("plan", "worker-*.log", "Generation 1:"),
    ];

    public static Measure Digits { get; } = new("start digits", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        var starts = await conditions.RepeatAsync("start digits", _ => StartAsync(conditions)).ConfigureAwait(false);
        return
        [
            Row.OfOurs(
                "start digits: from the command to the first applied step, s", starts.Select(stages => stages.Sum()),
                Goal.AtMost(LimitSeconds)),
            .. _stages.Select(stage => stage.Name).Append("first step").Select(
                (name, i) => Row.OfOurs($"start digits: of that, {name}, s", starts.Select(stages => stages[i]))),
        ];
    }

    /// <summary>Seconds of each stage, then of the first step.</summary>
    private static async Task<double[]> StartAsync(Conditions conditions)
    {
        using var folder = new TemporaryFolder();
        var run = new TrainingRun(null, Workers: 2, Batch) { Overrides = ["epochs=1", $"topology={conditions.Topology}"] };
        var begin = DateTime.UtcNow;
        await ChildProcess.RunAsync(run.Command(folder["run"]), conditions.Stopping).ConfigureAwait(false);
        DateTime[] ends = [begin, .. _stages.Select(stage => LastTime(Path.Combine(folder["run"], "logs"), stage.Log, stage.Line))];
        var firstStep = History.Milliseconds(File.ReadAllLines(Path.Combine(folder["run"], "history.csv")), Batch).First() / 1000;
        return [.. ends.Zip(ends.Skip(1), (from, to) => (to - from).TotalSeconds), firstStep];
    }

    private static DateTime LastTime(string logs, string log, string line) => Directory.EnumerateFiles(logs, log)
        .Select(path => File.ReadLines(path).Where(text => text.Contains(line, StringComparison.Ordinal)).Select(Time).FirstOrDefault()
            ?? throw new BenchException($"{Path.GetFileName(path)} has no line with a time and '{line}'"))
        .Max();

    private static DateTime? Time(string line) => LogTime().Match(line) is { Success: true } match
        ? DateTime.ParseExact(match.Groups[1].Value, "MM/dd/yyyy HH:mm:ss.fff", CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal)
        : null;

    [GeneratedRegex(@"\[(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d\.\d{3})Z\]")]
    private static partial Regex LogTime();
}
