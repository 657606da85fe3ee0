using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>A run as a user starts it: a coordinator process that starts its workers.</summary>
/// <param name="JobFile">Null for the embedded job.</param>
/// <param name="Batch">Samples of a step.</param>
internal sealed record TrainingRun(string? JobFile, int Workers, int Batch)
{
    /// <summary>The folder with the data; null if the job needs none.</summary>
    public string? Data { get; init; }

    /// <summary>The workers that the run needs to continue; null for all.</summary>
    public int? MinWorkers { get; init; }

    public IReadOnlyList<string> Overrides { get; init; } = [];

    /// <summary>The port of the coordinator's metrics; 0 for a free one.</summary>
    public int MetricsPort { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];

    public ChildCommand Command(string folder) => ChildCommand.Dotnet(Programs.Coordinator,
    [
        "train", .. JobFile is null ? (string[])[] : [JobFile],
        "--workers", $"{Workers}", "--min-workers", $"{MinWorkers ?? Workers}", "--device", "cpu",
        "--run", folder, "--metrics-port", $"{MetricsPort}",
        .. Data is null ? (string[])[] : ["--data-dir", Data],
        .. Arguments,
        .. new[] { $"batch={Batch}" }.Concat(Overrides).SelectMany(setting => new[] { "--set", setting }),
    ]);

    /// <summary>Starts several such runs at the same time and returns the median time of a step of each, in milliseconds.</summary>
    public static async Task<IReadOnlyList<double>> StepMillisecondsAsync(TrainingRun run, int runs, CancellationToken stopping)
    {
        using var folder = new TemporaryFolder();
        string[] folders = [.. Enumerable.Range(0, runs).Select(i => folder[$"run-{i}"])];
        await ChildProcess.RunTogetherAsync(folders.Select(run.Command), stopping).ConfigureAwait(false);
        return [.. folders.Select(path => File.ReadAllLines(Path.Combine(path, "history.csv")))
            .Select(lines => History.SteadyMilliseconds(History.Milliseconds(lines, run.Batch)))];
    }
}
