using System.Collections.Immutable;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>Shows the user the progress of a training. Any thread may call it; no call waits for the user.</summary>
internal interface IProgressView : IDisposable
{
    void Update(TrainingProgress p);
    void Message(string line); // Stays on the screen, shown as Jobs.Shown has it.
}

/// <summary>The progress of a training at one moment. A null value is not known yet.</summary>
internal sealed record TrainingProgress
{
    public required string Phase { get; init; } // What the cluster does, in a few words.

    // Epoch, step and generation count from 1 and are 0 before the first.
    public int Epoch { get; init; }
    public required int Epochs { get; init; }
    public long Step { get; init; }
    public required long Steps { get; init; }
    public double? Loss { get; init; }
    public MetricValue? TestMetric { get; init; }
    public double SamplesPerSecond { get; init; }
    public TimeSpan? TimeLeft { get; init; }
    public int Generation { get; init; }
    public ImmutableArray<WorkerProgress> Workers { get; init; } = [];
}

/// <summary>What one worker does. The shares of its time are from 0 to 1 and together at most 1.</summary>
internal sealed record WorkerProgress(
    string Name, string Device, string Doing, double ComputeShare, double SendShare, double WaitShare, double ApplyShare, int MicroBatches);
