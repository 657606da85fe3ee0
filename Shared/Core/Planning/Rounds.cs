namespace Distributed.Core.Planning;

/// <summary>The use that a round makes of its samples.</summary>
public enum RoundKind : byte
{
    /// <summary>A training step: the averaged contribution is applied to every replica.</summary>
    Train = 1,
    /// <summary>A pass over the test set: the contribution carries tallies only, and nothing is applied.</summary>
    Evaluate = 2,
}

/// <summary>One pass of the cluster through plan, map, reduce and apply.</summary>
/// <param name="Number">0-based position in the job.</param>
/// <param name="Kind">Train or evaluate.</param>
/// <param name="Epoch">0-based epoch.</param>
/// <param name="Step">0-based training step; of an evaluation, the number of steps before it.</param>
/// <param name="First">First sample: a position in the epoch's permutation (train) or in the test set (evaluate).</param>
/// <param name="Samples">Number of samples, at least 1.</param>
/// <param name="MicroBatches">Number of micro-batches the samples are cut into, at least 1.</param>
public readonly record struct Round(long Number, RoundKind Kind, int Epoch, long Step, int First, int Samples, int MicroBatches)
{
    /// <summary>The samples of a micro-batch. Sizes differ by at most 1 and may be 0.</summary>
    /// <param name="id">0..<see cref="MicroBatches"/>-1.</param>
    /// <returns>First sample (like <see cref="First"/>) and count.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The round has no such micro-batch.</exception>
    public (int First, int Count) MicroBatch(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, MicroBatches);
        var start = (int)((long)Samples * id / MicroBatches);
        var end = (int)((long)Samples * (id + 1) / MicroBatches);
        return (First + start, end - start);
    }
}

/// <summary>The whole job as a sequence of rounds: the training steps of an epoch, then one evaluation on the test set, for each epoch.
/// Depends on the job and the sizes of the data set alone; in a relaxed job also on the number of workers.</summary>
/// <param name="TrainSamples">Samples in the training set, at least 1.</param>
/// <param name="TestSamples">Samples in the test set; 0 for a job without evaluations.</param>
/// <param name="Epochs">Passes over the training set; a job with 0 epochs consists of one evaluation.</param>
/// <param name="Batch">Samples per step, over all workers; the last step of an epoch may have fewer.</param>
/// <param name="MicroBatches">Micro-batches per step.</param>
/// <param name="Relaxed">Whether a step has one micro-batch per worker instead, see <see cref="Plan.RoundAt"/>.</param>
public sealed record Rounds(int TrainSamples, int TestSamples, int Epochs, int Batch, int MicroBatches, bool Relaxed = false)
{
    /// <summary>Largest number of samples in a micro-batch of an evaluation; bounds a worker's memory.</summary>
    public const int EvaluationMicroBatch = 128;

    /// <summary>Training steps per epoch.</summary>
    public int StepsPerEpoch => (TrainSamples + Batch - 1) / Batch;

    /// <summary>Training steps of the whole job.</summary>
    public long Steps => (long)StepsPerEpoch * Epochs;

    /// <summary>Rounds of the whole job, evaluations included.</summary>
    public long Count => Epochs > 0 ? RoundsPerEpoch * Epochs : EvaluationsPerEpoch;

    /// <summary>Number of training steps among the rounds before this one.</summary>
    /// <param name="number">0..<see cref="Count"/>.</param>
    public long StepsBefore(long number) => number == Count ? Steps : At(number).Step;

    /// <summary>The round of a training step.</summary>
    /// <param name="step">0..<see cref="Steps"/>-1.</param>
    public long NumberOf(long step) => step + (step / StepsPerEpoch * EvaluationsPerEpoch);

    /// <summary>The number of rounds that are recorded without a gap.</summary>
    /// <param name="steps">Recorded training steps, 0 or more, from the first on.</param>
    /// <param name="evaluations">Recorded evaluations, 0 or more, from the first on.</param>
    public long RecordedBy(long steps, long evaluations)
    {
        if (EvaluationsPerEpoch == 0) return Math.Min(steps, Count);
        if (Epochs == 0) return Math.Min(evaluations, Count);
        var epochs = Math.Min(Math.Min(steps / StepsPerEpoch, evaluations), Epochs);
        return epochs == Epochs ? Count : epochs * RoundsPerEpoch + Math.Min(steps - epochs * StepsPerEpoch, StepsPerEpoch);
    }

    private int EvaluationsPerEpoch => TestSamples > 0 ? 1 : 0;
    private long RoundsPerEpoch => StepsPerEpoch + EvaluationsPerEpoch;

    /// <summary>A round of the job. In a relaxed job, <see cref="Plan.RoundAt"/> knows its number of micro-batches.</summary>
    /// <param name="number">0..<see cref="Count"/>-1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The job has no such round.</exception>
    public Round At(long number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, Count);
        var (epoch, step) = ((int)(number / RoundsPerEpoch), (int)(number % RoundsPerEpoch));
        var stepsBefore = (long)epoch * StepsPerEpoch + step;
        if (step == StepsPerEpoch || Epochs == 0)
            return new(number, RoundKind.Evaluate, epoch, stepsBefore, 0, TestSamples,
                (TestSamples + EvaluationMicroBatch - 1) / EvaluationMicroBatch);
        var first = step * Batch;
        return new(number, RoundKind.Train, epoch, stepsBefore, first, Math.Min(Batch, TrainSamples - first), MicroBatches);
    }
}
