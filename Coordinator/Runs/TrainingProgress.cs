using System.Collections.Immutable;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>How far a training has come, at one moment.</summary>
internal sealed record TrainingProgress
{
    /// <summary>What the cluster does, in a few words: waiting for workers, training, evaluating.</summary>
    public required string Phase { get; init; }

    /// <summary>The current epoch, from 1; 0 before the first.</summary>
    public int Epoch { get; init; }

    public required int Epochs { get; init; }

    /// <summary>Steps that are done, over the whole run.</summary>
    public long Step { get; init; }

    /// <summary>Steps of the job, over the whole run.</summary>
    public required long Steps { get; init; }

    /// <summary>Mean loss over the samples of the last step; null before the first.</summary>
    public double? Loss { get; init; }

    /// <summary>The task's metric at the last evaluation; null before the first.</summary>
    public MetricValue? TestMetric { get; init; }

    public double SamplesPerSecond { get; init; }

    /// <summary>Expected time to the last step; null while it cannot be told.</summary>
    public TimeSpan? TimeLeft { get; init; }

    /// <summary>The generation whose plan is in force; 0 before the first.</summary>
    public int Generation { get; init; }

    public ImmutableArray<WorkerProgress> Workers { get; init; } = [];
}

/// <summary>What one worker does, and where its time goes.</summary>
/// <param name="Device">What it computes on, such as <c>cpu</c> or <c>cuda:0</c>.</param>
/// <param name="Doing">What it does now, in a word or two.</param>
/// <param name="ComputeShare">Share of its time that goes into gradients, 0 to 1, as are the other three; together at most 1.</param>
/// <param name="SendShare">Share that goes into sending contributions.</param>
/// <param name="WaitShare">Share that it waits for others.</param>
/// <param name="ApplyShare">Share that goes into applying steps.</param>
/// <param name="MicroBatches">Micro-batches of each step that are its own.</param>
internal sealed record WorkerProgress(
    string Name,
    string Device,
    string Doing,
    double ComputeShare,
    double SendShare,
    double WaitShare,
    double ApplyShare,
    int MicroBatches);
