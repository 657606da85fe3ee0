namespace Distributed.Core.Planning;

/// <summary>What a round does with its samples.</summary>
public enum RoundKind : byte
{
    /// <summary>A training step: the averaged contribution is applied to every replica.</summary>
    Train = 1,
    /// <summary>A pass over the test set: the contribution carries metrics, nothing is applied.</summary>
    Evaluate = 2,
}

/// <summary>One pass of the cluster through plan, map, reduce and apply.</summary>
/// <param name="Number">0-based position in the job; the number by which a round is committed and fenced.</param>
/// <param name="Kind">Train or evaluate.</param>
/// <param name="Epoch">0-based epoch.</param>
/// <param name="Step">0-based training step; for an evaluation, the number of steps done before it.</param>
/// <param name="First">First sample: a position in the epoch's permutation (train) or in the test set (evaluate).</param>
/// <param name="Samples">Number of samples, at least 1.</param>
/// <param name="MicroBatches">Number of micro-batches the samples are cut into, at least 1.</param>
public readonly record struct Round(long Number, RoundKind Kind, int Epoch, long Step, int First, int Samples, int MicroBatches)
{
    /// <summary>The samples of a micro-batch: as even as whole numbers allow, empty where there are fewer samples than micro-batches.</summary>
    /// <param name="id">0..<see cref="MicroBatches"/>-1.</param>
    /// <returns>First sample (like <see cref="First"/>) and count.</returns>
    public (int First, int Count) MicroBatch(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, MicroBatches);
        var start = (int)((long)Samples * id / MicroBatches);
        var end = (int)((long)Samples * (id + 1) / MicroBatches);
        return (First + start, end - start);
    }
}

/// <summary>The whole job as a sequence of rounds: for each epoch its training steps, then one evaluation on the test set.
/// Depends on the job and the sizes of the data set alone, and in a relaxed job on the number of workers.</summary>
/// <param name="TrainSamples">Samples in the training set, at least 1.</param>
/// <param name="TestSamples">Samples in the test set; 0 leaves the evaluations out.</param>
/// <param name="Epochs">Passes over the training set; with 0 there is one evaluation and nothing else.</param>
/// <param name="Batch">Samples a step, over all workers; the last step of an epoch takes what is left.</param>
/// <param name="MicroBatches">Micro-batches a step.</param>
/// <param name="Relaxed">Whether a step is cut into one micro-batch a worker instead, see <see cref="Plan.RoundAt"/>.</param>
public sealed record Rounds(int TrainSamples, int TestSamples, int Epochs, int Batch, int MicroBatches, bool Relaxed = false)
{
    /// <summary>Samples in a micro-batch of an evaluation, at most: bounds a worker's memory.</summary>
    public const int EvaluationMicroBatch = 128;

    /// <summary>Training steps an epoch.</summary>
    public int StepsPerEpoch => (TrainSamples + Batch - 1) / Batch;

    /// <summary>Training steps of the whole job.</summary>
    public long Steps => (long)StepsPerEpoch * Epochs;

    /// <summary>Rounds of the whole job, evaluations included.</summary>
    public long Count => Epochs > 0 ? RoundsPerEpoch * Epochs : EvaluationsPerEpoch;

    /// <summary>Training steps among the rounds before this one.</summary>
    /// <param name="number">0..<see cref="Count"/>.</param>
    public long StepsBefore(long number) => number == Count ? Steps : At(number).Step;

    /// <summary>The number of the round that a training step is.</summary>
    /// <param name="step">0..<see cref="Steps"/>-1.</param>
    public long NumberOf(long step) => step + (step / StepsPerEpoch * EvaluationsPerEpoch);

    /// <summary>The rounds from the first one on that these many steps and evaluations are all of, each counted from the first.</summary>
    /// <param name="steps">Steps, from 0.</param>
    /// <param name="evaluations">Evaluations, from 0.</param>
    public long RecordedBy(long steps, long evaluations)
    {
        if (EvaluationsPerEpoch == 0) return Math.Min(steps, Count);
        if (Epochs == 0) return Math.Min(evaluations, Count);
        var epochs = Math.Min(Math.Min(steps / StepsPerEpoch, evaluations), Epochs);
        return epochs == Epochs ? Count : epochs * RoundsPerEpoch + Math.Min(steps - epochs * StepsPerEpoch, StepsPerEpoch);
    }

    private int EvaluationsPerEpoch => TestSamples > 0 ? 1 : 0;

    private long RoundsPerEpoch => StepsPerEpoch + EvaluationsPerEpoch;

    /// <summary>The round of that number. What concerns its micro-batches is asked of <see cref="Plan.RoundAt"/>.</summary>
    /// <param name="number">0..<see cref="Count"/>-1.</param>
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
