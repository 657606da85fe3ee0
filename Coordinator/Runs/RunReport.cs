using System.Text.Json;
using Distributed.Coordinator.Storage;
using Distributed.Core.Protocol;

namespace Distributed.Coordinator.Runs;

/// <summary>The <c>report.json</c> of a finished run.</summary>
internal sealed record RunReport
{
    private const int MaxBytes = 64 << 20; // Reports of former versions list every change of the cluster.

    public required string Job { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required DateTimeOffset FinishedAt { get; init; }
    public required double Seconds { get; init; } // Seconds of training, without the wait for the first workers.
    public required long Steps { get; init; }
    public required int Epochs { get; init; }
    public required double StepsPerSecond { get; init; }
    public required long SamplesExpected { get; init; } // Samples of the training set × epochs.

    /// <summary>Samples of the applied steps; equals <see cref="SamplesExpected"/> unless the run was ended early.</summary>
    public required long SamplesApplied { get; init; }
    public required double TrainLoss { get; init; }

    // Over the test set after the last epoch; null if the job has none.
    public double? TestLoss { get; init; }
    public required string Metric { get; init; }
    public double? TestMetric { get; init; }
    public required string ParametersSha256 { get; init; }
    public required int Workers { get; init; }
    public required int Generations { get; init; }

    /// <summary>The newest generations after the first: at most <see cref="ClusterProtocol.KeptGenerations"/>.</summary>
    public required IReadOnlyList<GenerationStart> Reconfigurations { get; init; }
    public required long StepsRedone { get; init; } // Reported steps that had to be repeated because no worker that held them was left.

    public void Save(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, RunJson.File));

    public static RunReport Load(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > MaxBytes) throw new RunFolderException($"'{path}' has {file.Length} bytes; a report has at most {MaxBytes}");
            return JsonSerializer.Deserialize<RunReport>(file, RunJson.File)
                ?? throw new RunFolderException($"'{path}' is damaged: it holds null");
        }
        catch (JsonException error)
        {
            throw new RunFolderException($"'{path}' is damaged: {error.Message}", error);
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            throw new RunFolderException($"'{path}' cannot be read: {error.Message}", error);
        }
    }
}
