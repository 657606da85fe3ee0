using System.Globalization;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;

namespace Distributed.Jobs;

/// <summary>
/// What to train and how, with every default resolved. Two equal jobs give the same parameters, bit for bit, on machines of one
/// kind, unless <see cref="Wire"/> or <see cref="Determinism"/> give that up. <see cref="JobFile"/> reads and writes it; a job made in code is checked when it is written.
/// </summary>
internal sealed record Job
{
    /// <summary>The kind of problem: the name of a <see cref="TaskKind"/>.</summary>
    public required string Task { get; init; }

    /// <summary>The task, where it is a plugin's; null for those that are built in.</summary>
    public PluginTaskSpec? PluginTask { get; init; }

    public TaskKind Kind => PluginTask is { } plugin ? TaskKind.Plugin with { Metric = Metric.Find(plugin.Metric)! } : TaskKind.Find(Task) ?? throw new InvalidOperationException($"there is no task '{Task}'");

    /// <summary>What it is learned from: one of <see cref="TaskKind.Data"/>.</summary>
    public required DataSpec Data { get; init; }

    /// <summary>What is made small: one of <see cref="TaskKind.Losses"/>.</summary>
    public string Loss { get; init; } = Losses.CrossEntropy;

    public required ModelSpec Model { get; init; }

    /// <summary>What is done at random to the images that are trained on.</summary>
    public AugmentSpec Augment { get; init; } = new();

    /// <summary>Seeds the parameters, the shuffling and all that is random in a step; at least 0.</summary>
    public required long Seed { get; init; }

    /// <summary>Passes over the training set; with 0 the model is evaluated as it is.</summary>
    public required int Epochs { get; init; }

    /// <summary>Samples of a global batch, that is, of a step; at least 1, null for the whole training set. The last batch of an
    /// epoch may be smaller. Means nothing while it is <see cref="Auto"/>.</summary>
    public required int? Batch { get; init; }

    /// <summary>What is still to be chosen, as large as the memory of the workers allows; a job that is run has nothing of that left.</summary>
    public AutoSize Auto { get; init; }

    /// <summary>Largest number of micro-batches of a step.</summary>
    public const int MaxMicroBatches = 4096;

    /// <summary>
    /// Micro-batches that a global batch is cut into, 1 to <see cref="MaxMicroBatches"/> and at most <see cref="Batch"/>: the unit of work given to a worker,
    /// hence the greatest number of workers that can be busy, and what bounds the memory of each. The rounding, and so the result, depends on it.
    /// </summary>
    public required int MicroBatches { get; init; }

    /// <summary>Threads that a worker computes a micro-batch with; 1 to 256. The rounding, and so the result, depends on it.</summary>
    public required int Threads { get; init; }

    public required OptimizerSpec Optimizer { get; init; }

    public required ScheduleSpec Schedule { get; init; }

    /// <summary>The L2 norm that a longer averaged gradient, taken whole, is scaled down to; greater than 0, null for none.</summary>
    public required double? ClipNorm { get; init; }

    /// <summary>When the state is saved beside the training. It does not change the result.</summary>
    public CheckpointSpec Checkpoint { get; init; } = new();

    /// <summary>Who reduces the contributions: star (the coordinator) or mesh (each worker its own slices of them). It does not
    /// change the result.</summary>
    public required string Topology { get; init; }

    /// <summary>What numbers travel as: float32, or bf16 (bfloat16), which halves what the links carry and makes the result
    /// depend on the number of workers.</summary>
    public required string Wire { get; init; }

    /// <summary>strict, or relaxed: a worker computes its share of a batch in one pass instead of in micro-batches, and the result
    /// depends on the number of workers.</summary>
    public required string Determinism { get; init; }

    public string BatchText => Auto == AutoSize.Batch ? AutoWord : Batch?.ToString(CultureInfo.InvariantCulture) ?? All;

    /// <summary>How a job file writes the batch that is the whole training set.</summary>
    public const string All = "all";

    /// <summary>How a job file writes what is <see cref="Auto"/>.</summary>
    public const string AutoWord = "auto";

    /// <summary>Whether nothing is trained, and the model only evaluated.</summary>
    public bool IsEvaluation => Epochs == 0;

    public bool IsMesh => Topology == "mesh";

    /// <summary>Whether numbers travel as bfloat16.</summary>
    public bool IsWireHalf => Wire == "bf16";

    /// <summary>Whether a worker computes its share in one pass.</summary>
    public bool IsRelaxed => Determinism == "relaxed";

    /// <summary>Whether the result is the same, bit for bit, for any number of workers.</summary>
    public bool IsExact => !IsWireHalf && !IsRelaxed;

    public JobShape ToShape() => new(Epochs, Batch, MicroBatches, IsRelaxed, IsExact);

    /// <summary>The job that runs when none is named: jobs/digits.yaml, as it was built in.</summary>
    public static Job Default { get; } = JobFile.Parse(ReadResource("digits.yaml"), "jobs/digits.yaml");

    private static string ReadResource(string name)
    {
        using var reader = new StreamReader(typeof(Job).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is not built into {typeof(Job).Assembly.GetName().Name}."));
        return reader.ReadToEnd();
    }
}
