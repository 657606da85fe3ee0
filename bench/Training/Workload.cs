using Distributed.Bench.Processes;

namespace Distributed.Bench.Training;

/// <param name="Name">The name of the model in the peer's script and of its job file.</param>
/// <param name="Steps">Steps of an epoch.</param>
/// <param name="Epochs">Epochs of a timed run, about ten seconds; see <see cref="History.SteadyMilliseconds"/>.</param>
internal sealed record Workload(string Name, int Steps, int Epochs)
{
    /// <summary>Samples that a worker computes in a step.</summary>
    public const int WorkerBatch = 64;

    /// <summary>Mostly overhead.</summary>
    public static Workload Tiny { get; } = new("tiny", 400, 60);

    /// <summary>A typical model.</summary>
    public static Workload Cnn { get; } = new("cnn", 80, 6);

    /// <summary>A large gradient.</summary>
    public static Workload Mlp { get; } = new("mlp", 60, 6);

    public static IReadOnlyList<Workload> All { get; } = [Tiny, Cnn, Mlp];

    /// <summary>A job with a global batch of 128 in 2 micro-batches.</summary>
    public string JobFile => Programs.File("jobs", $"{Name}.yaml");
}
