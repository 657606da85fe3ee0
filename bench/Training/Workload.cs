using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <summary>A model to measure with.</summary>
/// <param name="Name">As the peer knows it, and of its job file.</param>
/// <param name="Steps">Steps of an epoch.</param>
/// <param name="Epochs">Epochs of a run that is timed: together about ten seconds, see <see cref="History.SteadyMilliseconds"/>.</param>
internal sealed record Workload(string Name, int Steps, int Epochs)
{
    /// <summary>Samples that a worker computes in a step.</summary>
    public const int WorkerBatch = 64;

    /// <summary>All overhead.</summary>
    public static Workload Tiny { get; } = new("tiny", 400, 60);

    /// <summary>The usual case.</summary>
    public static Workload Cnn { get; } = new("cnn", 80, 6);

    /// <summary>Much to send.</summary>
    public static Workload Mlp { get; } = new("mlp", 60, 6);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Workload> All { get; } = [Tiny, Cnn, Mlp];

    /// <summary>Its job, with a global batch of 128 in 2 micro-batches.</summary>
    public string JobFile => Programs.File("jobs", $"{Name}.yaml");
}
