using System.Globalization;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;

namespace Distributed.Jobs;

/// <summary>What to train and how, with every default resolved. Two equal jobs give the same parameters, bit for bit, on machines of one
/// kind, unless <see cref="Wire"/> or <see cref="Determinism"/> give that up. <see cref="JobFile"/> checks it when it is written.</summary>
internal sealed record Job
{
    public const int MaxMicroBatches = 4096;
    public const string All = "all"; // The batch in a job file that is the whole training set.
    public const string AutoWord = "auto"; // The value in a job file for a size that is Auto.

    public required string Task { get; init; } // The name of a TaskKind.
    public PluginTaskSpec? PluginTask { get; init; } // Null if the task is built in.

    public TaskKind Kind => PluginTask is { } plugin
        ? TaskKind.Plugin with { Metric = Metric.Find(plugin.Metric)! }
        : TaskKind.Find(Task) ?? throw new InvalidOperationException($"there is no task '{Task}'");

    public required DataSpec Data { get; init; } // One of TaskKind.Data.
    public string Loss { get; init; } = Losses.CrossEntropy; // One of TaskKind.Losses.

    public required ModelSpec Model { get; init; }
    public AugmentSpec Augment { get; init; } = new();
    public required long Seed { get; init; } // Seeds the parameters, the shuffling and all random choices of a step; at least 0.
    public required int Epochs { get; init; } // Passes over the training set; 0 only evaluates the model.

    /// <summary>Samples of a step, at least 1; null for the whole training set, or while <see cref="Auto"/> leaves it open.</summary>
    public required int? Batch { get; init; }

    public AutoSize Auto { get; init; } // The size that is still to be chosen from the memory of the workers; None for a job that runs.

    /// <summary>The parts of a global batch, 1 to <see cref="MaxMicroBatches"/> and at most <see cref="Batch"/>. Their number limits how
    /// many workers can be busy, and their size the memory of each. The result depends on it.</summary>
    public required int MicroBatches { get; init; }

    public required int Threads { get; init; } // Threads with which a worker computes a micro-batch, 1 to 256. The result depends on it.
    public required OptimizerSpec Optimizer { get; init; }
    public required ScheduleSpec Schedule { get; init; }

    /// <summary>The L2 norm to which a longer averaged gradient is scaled down; greater than 0, null for no clipping.</summary>
    public required double? ClipNorm { get; init; }

    public CheckpointSpec Checkpoint { get; init; } = new();

    /// <summary>star (the coordinator reduces) or mesh (each worker reduces its own slices). Does not change the result.</summary>
    public required string Topology { get; init; }

    /// <summary>float32, or bf16: half the traffic on the links, but the result depends on the number of workers.</summary>
    public required string Wire { get; init; }

    /// <summary>strict, or relaxed: one pass for the share of a worker, but the result depends on the number of workers.</summary>
    public required string Determinism { get; init; }

    public string BatchText => Auto == AutoSize.Batch ? AutoWord : Batch?.ToString(CultureInfo.InvariantCulture) ?? All;
    public bool IsEvaluation => Epochs == 0;
    public bool IsMesh => Topology == "mesh";
    public bool IsWireHalf => Wire == "bf16";
    public bool IsRelaxed => Determinism == "relaxed";
    public bool IsExact => !IsWireHalf && !IsRelaxed; // Whether the result is the same, bit for bit, for any number of workers.

    public JobShape ToShape() => new(Epochs, Batch, MicroBatches, IsRelaxed, IsExact);

    /// <summary>The job that runs if no other is named: the embedded jobs/digits.yaml.</summary>
    public static Job Default { get; } = JobFile.Parse(ReadResource("digits.yaml"), "jobs/digits.yaml");

    private static string ReadResource(string name)
    {
        using var reader = new StreamReader(typeof(Job).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The resource {name} is not built into {typeof(Job).Assembly.GetName().Name}."));
        return reader.ReadToEnd();
    }
}

/// <summary>Random changes of training images in each epoch. They depend only on the job's seed, the epoch and the sample.</summary>
internal sealed record AugmentSpec
{
    public const int MaxPixels = 64;

    public bool Flip { get; init; } // Mirrors a random half of the images left to right.

    /// <summary>Black pixels added around an image before a part of its size is cut out at a random place (He et al. 2016, section 4.2): 0
    /// to <see cref="MaxPixels"/>, and less than the smaller side of the image.</summary>
    public int Crop { get; init; }

    /// <summary>Side of a black square whose centre is anywhere in the image (DeVries and Taylor 2017, "Cutout"): 0 to
    /// <see cref="MaxPixels"/>, and less than the smaller side of the image.</summary>
    public int Cutout { get; init; }
}

/// <summary>When the coordinator saves the state of a run. Does not change the result.</summary>
internal sealed record CheckpointSpec
{
    public long EverySteps { get; init; } = 500; // Steps between two checkpoints; 0 for no checkpoints.

    /// <summary>How many of the newest checkpoints are kept, in addition to the best one on the test set; at least 1.</summary>
    public int Keep { get; init; } = 3;
}

internal enum AutoSize : byte
{
    None,
    /// <summary>The samples of a batch, for a given number of micro-batches.</summary>
    Batch,
    /// <summary>The number of micro-batches, for a given batch: as few as the memory allows.</summary>
    MicroBatches,
}

/// <summary>Resolves the open size of a job once the largest micro-batch that fits every worker is known.</summary>
internal static class AutoSizes
{
    /// <summary>The largest micro-batch that the job could use, in samples.</summary>
    public static int LargestOf(Job job, int trainSamples) => job.Auto == AutoSize.Batch
        ? DivideUp(trainSamples, job.MicroBatches)
        : Math.Min(job.Batch ?? trainSamples, trainSamples);

    /// <param name="samples">The largest micro-batch that fits every worker, at least 1.</param>
    /// <param name="workers">Each of these should get at least one micro-batch.</param>
    public static Job Resolve(Job job, int samples, int trainSamples, int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        if (job.Auto == AutoSize.None) return job;
        if (job.Auto == AutoSize.Batch)
        {
            var batch = (int)Math.Min((long)samples * job.MicroBatches, trainSamples);
            return job with { Auto = AutoSize.None, Batch = batch, MicroBatches = Math.Min(job.MicroBatches, batch) };
        }
        var whole = Math.Min(job.Batch ?? trainSamples, trainSamples);
        var fewest = DivideUp(whole, samples);
        if (fewest > Job.MaxMicroBatches)
        {
            throw new JobException($"batch is {job.BatchText}, and a worker has memory for {samples} samples at a time: "
                + $"that takes {fewest} micro-batches; allowed: {Job.MaxMicroBatches}. Make the batch smaller");
        }
        var microBatches = Math.Min(Math.Max(fewest, workers), Math.Min(whole, Job.MaxMicroBatches));
        return job with { Auto = AutoSize.None, MicroBatches = microBatches };
    }

    /// <summary>The job with the size that <paramref name="found"/>, the job of an earlier start of the run, has resolved.</summary>
    public static Job Like(Job job, Job found) => job.Auto switch
    {
        AutoSize.Batch => job with
        {
            Auto = AutoSize.None,
            Batch = found.Batch,
            MicroBatches = Math.Min(job.MicroBatches, found.Batch ?? job.MicroBatches),
        },
        AutoSize.MicroBatches => job with { Auto = AutoSize.None, MicroBatches = found.MicroBatches },
        _ => job,
    };

    private static int DivideUp(int samples, int parts) => (int)(((long)samples + parts - 1) / parts);
}
