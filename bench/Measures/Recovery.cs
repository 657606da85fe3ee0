using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;

namespace Distributed.Bench.Measures;

/// <summary>
/// The time from kill -9 of one of three workers to the next step in history.csv, as a user sees it: workers report every 200 ms, and the
/// file is written every 100 ms. Each repetition has several kills, each in its own run.
/// </summary>
internal static partial class Recovery
{
    private const int Workers = 3, Batch = 64, Kills = 5, StepsBefore = 100;
    private const double LimitSeconds = 1;

    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan _timeout = TimeSpan.FromMinutes(1);

    public static Measure Killed { get; } = new("recovery digits", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        var kills = new List<(double Seconds, double Redone)>();
        await conditions.RepeatAsync("recovery digits", async repetition =>
        {
            for (var i = 0; i < Kills; i++)
                kills.Add(await KillAsync(conditions, $"worker-{((repetition + i) % Workers) + 1}").ConfigureAwait(false));
            return 0;
        }).ConfigureAwait(false);
        double[] seconds = [.. kills.Select(kill => kill.Seconds).Order()];
        return
        [
            Row.OfOurs("recovery digits: from kill -9 of one of 3 workers to the next step, s", seconds, Goal.AtMost(LimitSeconds)),
            Row.OfOurs("recovery digits: the fastest, s", [seconds[0]]),
            Row.OfOurs("recovery digits: nine of ten within, s", [seconds[(int)Math.Ceiling(0.9 * seconds.Length) - 1]]),
            Row.OfOurs("recovery digits: the slowest, s", [seconds[^1]]),
            Row.OfOurs("recovery digits: steps done again, at most", [kills.Max(kill => kill.Redone)], Goal.AtMost(1)),
        ];
    }

    private static async Task<(double Seconds, double Redone)> KillAsync(Conditions conditions, string worker)
    {
        using var folder = new TemporaryFolder();
        var path = folder["run"];
        var run = new TrainingRun(null, Workers, Batch) { MinWorkers = 1, Overrides = ["epochs=60", $"topology={conditions.Topology}"] };
        using var over = CancellationTokenSource.CreateLinkedTokenSource(conditions.Stopping);
        over.CancelAfter(_timeout);
        var training = ChildProcess.RunAsync(run.Command(path), over.Token);
        try
        {
            var seconds = await KillAsync(worker, path, training, over.Token).ConfigureAwait(false);
            await training.ConfigureAwait(false);
            using var report = JsonDocument.Parse(File.ReadAllText(Path.Combine(path, "report.json")));
            return (seconds, report.RootElement.GetProperty("steps_redone").GetDouble());
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            await training.ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
        }
    }

    private static async Task<double> KillAsync(string worker, string path, Task<ChildResult> training, CancellationToken stopping)
    {
        await UntilAsync(() => Steps(path) >= StepsBefore, training, stopping).ConfigureAwait(false);
        using (var victim = Process.GetProcessById(Find(worker, Port(path)))) victim.Kill();
        var killed = Stopwatch.GetTimestamp();
        long next = 0;
        await UntilAsync(() => (next = StepAfter(path)) > 0, training, stopping).ConfigureAwait(false);
        await UntilAsync(() => Steps(path) > next, training, stopping).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(killed).TotalSeconds;
    }

    private static async Task UntilAsync(Func<bool> condition, Task<ChildResult> training, CancellationToken stopping)
    {
        try
        {
            while (!condition())
            {
                if (training.IsCompleted)
                {
                    await training.ConfigureAwait(false);
                    throw new BenchException("the run ended before the worker was killed and replaced");
                }
                await Task.Delay(_poll, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException error)
        {
            throw new BenchException($"the run made no progress within {_timeout.TotalSeconds} s: {error.Message}");
        }
    }

    /// <summary>Complete lines of the history so far, without its header.</summary>
    private static long Steps(string path) => Text(path, "history.csv").AsSpan().Count('\n') - 1;

    /// <summary>The first step of the plan without the victim; 0 before there is one. A round is a step or an evaluation.</summary>
    private static long StepAfter(string path)
    {
        if (Begun().Match(Text(path, Path.Combine("logs", "coordinator.log"))) is not { Success: true } match) return 0;
        var steps = History.StepsPerEpoch(Text(path, "history.csv").Split('\n', StringSplitOptions.RemoveEmptyEntries));
        return long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) * steps / (steps + 1);
    }

    private static string Text(string path, string file)
    {
        var full = Path.Combine(path, file);
        if (!File.Exists(full)) return "";
        using var reader = new StreamReader(new FileStream(full, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return reader.ReadToEnd();
    }

    private static int Port(string path)
    {
        using var state = JsonDocument.Parse(Text(path, "coordinator.json"));
        return state.RootElement.GetProperty("port").GetInt32();
    }

    private static int Find(string worker, int port)
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                var arguments = File.ReadAllText(Path.Combine(folder, "cmdline")).Split('\0');
                if (arguments.Contains(worker) && arguments.Any(a => a.EndsWith($":{port}", StringComparison.Ordinal))) return id;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The process has ended, or belongs to another user.
            }
        }
        throw new BenchException($"the process of {worker} was not found");
    }

    [GeneratedRegex(@"\(worker-\d was lost\): from round (\d+)")]
    private static partial Regex Begun();
}
