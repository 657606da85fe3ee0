using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>The whole product as a user runs it: a coordinator process that starts its workers.</summary>
/// <param name="JobFile">Path of the job; null for the embedded one.</param>
/// <param name="Workers">Worker processes.</param>
/// <param name="Batch">Samples of a step.</param>
internal sealed record TrainingRun(string? JobFile, int Workers, int Batch)
{
    /// <summary>Folder with the data; null where the job needs none.</summary>
    public string? Data { get; init; }

    /// <summary>Workers that it needs to go on; null for all.</summary>
    public int? MinWorkers { get; init; }

    /// <summary>Keys of the job that are overridden.</summary>
    public IReadOnlyList<string> Overrides { get; init; } = [];

    /// <summary>Port of the coordinator's metrics; 0 for a free one.</summary>
    public int MetricsPort { get; init; }

    /// <summary>More of the command line.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>How it is started.</summary>
    /// <param name="folder">Its run folder.</param>
    public ChildCommand Command(string folder) => ChildCommand.Dotnet(Programs.Coordinator,
    [
        "train", .. JobFile is null ? (string[])[] : [JobFile], "--workers", $"{Workers}", "--min-workers", $"{MinWorkers ?? Workers}", "--device", "cpu", "--run", folder, "--metrics-port", $"{MetricsPort}",
        .. Data is null ? (string[])[] : ["--data-dir", Data],
        .. Arguments,
        .. new[] { $"batch={Batch}" }.Concat(Overrides).SelectMany(setting => new[] { "--set", setting }),
    ]);

    /// <summary>The median time of its steps in milliseconds, of each of so many such runs at the same time.</summary>
    /// <exception cref="BenchException">A run has failed.</exception>
    public static async Task<IReadOnlyList<double>> StepMillisecondsAsync(TrainingRun run, int runs, CancellationToken stopping)
    {
        using var folder = new TemporaryFolder();
        string[] folders = [.. Enumerable.Range(0, runs).Select(i => folder[$"run-{i}"])];
        await ChildProcess.RunTogetherAsync(folders.Select(run.Command), stopping).ConfigureAwait(false);
        return [.. folders.Select(path => History.SteadyMilliseconds(History.Milliseconds(File.ReadAllLines(Path.Combine(path, "history.csv")), run.Batch)))];
    }
}
