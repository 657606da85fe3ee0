using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>
/// What a job learns: the data, the loss and the metrics. A worker has one instance for the whole job. Derive from
/// <see cref="SupervisedTask"/> or <see cref="DataTask"/> unless the samples do not come from a <see cref="DataSet"/>.
/// </summary>
public interface ITrainingTask
{
    /// <summary>Number of samples in the training set; at least 1 and the same on every worker.</summary>
    int TrainSamples { get; }

    /// <summary>Number of samples in the test set, the same on every worker; 0 leaves the evaluations out.</summary>
    int TestSamples { get; }

    /// <summary>A hash of all samples. The coordinator rejects a worker whose hash differs from the others'.</summary>
    string DataFingerprint { get; }

    /// <summary>
    /// Number of metrics beside the loss; constant and at least 1. The mean of the first one over the test samples judges the result of a
    /// plugin's task: more is better.
    /// </summary>
    int Metrics { get; }

    /// <summary>
    /// Fetches samples to the model's device. Equal arguments must give equal bits, so anything random about a sample may depend only on
    /// the seed of the job, the epoch and the sample. Called on any thread, also while another thread runs <see cref="LossSum"/>.
    /// </summary>
    /// <param name="split"><see cref="RoundKind.Train"/>: the training set; <see cref="RoundKind.Evaluate"/>: the test set.</param>
    /// <param name="epoch">The epoch that uses the samples, from 0.</param>
    /// <param name="samples">Numbers of samples in that set, from 0; never empty.</param>
    /// <param name="device">The device that holds the model.</param>
    /// <returns>The samples in the order of their numbers in <paramref name="samples"/>; the caller disposes them.</returns>
    SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device);

    /// <summary>
    /// Runs the forward pass and computes the loss. Called by one thread at a time, inside a <c>DisposeScope</c> that frees temporary
    /// tensors, and without gradients in an evaluation. Draw random numbers from torch's default generator, which is seeded for each
    /// micro-batch of a training round.
    /// </summary>
    /// <param name="model">The model, in training mode for training rounds and in evaluation mode for others.</param>
    /// <param name="batch">The samples of a micro-batch, on the device that holds the model.</param>
    /// <param name="metrics">Receives <see cref="Metrics"/> values, each a sum over the samples; 0 at first.</param>
    /// <returns>The loss summed (not averaged) over the samples: a differentiable float32 scalar. The caller disposes it.</returns>
    Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics);
}
