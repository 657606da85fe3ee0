using System.Text.Json;
using Distributed.Coordinator.Storage;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Runs;

internal sealed record RunReport
{
    /// <summary>Reports of former versions list every change of the cluster.</summary>
    private const int MaxBytes = 64 << 20;

    public required string Job { get; init; }

    /// <summary>When the run was started.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When its last step and evaluation were done.</summary>
    public required DateTimeOffset FinishedAt { get; init; }

    /// <summary>Seconds of training, without waiting for the first workers.</summary>
    public required double Seconds { get; init; }

    public required long Steps { get; init; }

    public required int Epochs { get; init; }

    /// <summary>Steps over seconds.</summary>
    public required double StepsPerSecond { get; init; }

    /// <summary>Samples that the job asks for: samples of the training set × epochs.</summary>
    public required long SamplesExpected { get; init; }

    /// <summary>Samples in the steps that were applied; the same number, unless the run was ended early.</summary>
    public required long SamplesApplied { get; init; }

    public required double TrainLoss { get; init; }

    /// <summary>Mean loss over the test set after the last epoch; null when the job has none.</summary>
    public double? TestLoss { get; init; }

    public required string Metric { get; init; }

    /// <summary>What that was on the test set after the last epoch; null when the job has none.</summary>
    public double? TestMetric { get; init; }

    /// <summary>SHA-256 of the trained parameters, in lower-case hexadecimal.</summary>
    public required string ParametersSha256 { get; init; }

    public required int Workers { get; init; }

    /// <summary>Generations that there were: 1 and one for each change of the cluster.</summary>
    public required int Generations { get; init; }

    /// <summary>The newest generations but the first, and why they began: at most <see cref="ClusterProtocol.KeptGenerations"/>. All of them are in events.jsonl.</summary>
    public required IReadOnlyList<GenerationStart> Reconfigurations { get; init; }

    /// <summary>Steps that were applied, as far as the coordinator had heard, and had to be done again: nobody was left who held them.</summary>
    public required long StepsRedone { get; init; }

    /// <summary>Writes the report as indented JSON with names in snake_case.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, RunJson.File));

    /// <exception cref="RunFolderException">It cannot be read, or is none.</exception>
    public static RunReport Load(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > MaxBytes) throw new RunFolderException($"'{path}' has {file.Length} bytes; a report has at most {MaxBytes}");
            return JsonSerializer.Deserialize<RunReport>(file, RunJson.File) ?? throw new RunFolderException($"'{path}' is damaged: it holds null");
        }
        catch (JsonException error)
        {
            throw new RunFolderException($"'{path}' is damaged: {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new RunFolderException($"'{path}' cannot be read: {error.Message}", error);
        }
    }
}
