using System.Text.Json;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Commands;

/// <summary>What a model is worth on the test set, in numbers: <c>evaluation.json</c>.</summary>
internal sealed record EvaluationReport
{
    public required string Model { get; init; }

    public required long Samples { get; init; }

    public required double Loss { get; init; }

    public required string Metric { get; init; }

    public required double TestMetric { get; init; }

    public required int Workers { get; init; }

    /// <summary>The names of the classes, in their order; empty where there are none.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>How well each is told from the others; empty where there are too many of them.</summary>
    public required IReadOnlyList<ClassQuality> Classes { get; init; }

    /// <summary>A row a class: what its samples were taken for; empty where there are too many.</summary>
    public required IReadOnlyList<IReadOnlyList<long>> Confusion { get; init; }

    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public void Save(string path) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, RunJson.File));
}
