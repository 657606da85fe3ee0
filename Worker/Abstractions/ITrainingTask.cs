using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>What a job learns from and by which measure: the data, the loss and the metrics.</summary>
public interface ITrainingTask
{
    /// <summary>Samples in the training set.</summary>
    int TrainSamples { get; }

    /// <summary>Samples in the test set.</summary>
    int TestSamples { get; }

    /// <summary>Hash of the data.</summary>
    string DataFingerprint { get; }

    /// <summary>Number of metrics beside the loss, each summed over samples.</summary>
    int Metrics { get; }

    /// <summary>
    /// Fetches samples to where a model computes with them. The same arguments give the same bits: whatever is random about a
    /// sample depends on the job's seed, the epoch and the sample alone. Called from any thread, also while another one computes.
    /// </summary>
    /// <param name="split">Which set the samples are from.</param>
    /// <param name="epoch">0-based epoch in which they are used.</param>
    /// <param name="samples">Sample numbers in that set; not empty.</param>
    /// <param name="device">Where the model lies.</param>
    /// <returns>The samples; the caller disposes them.</returns>
    SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device);

    /// <summary>Forward pass and loss of some samples.</summary>
    /// <param name="model">The model, in training or evaluation mode as the round asks.</param>
    /// <param name="batch">The samples, where the model lies.</param>
    /// <param name="metrics">Receives the metrics, summed over the samples; <see cref="Metrics"/> long.</param>
    /// <returns>The loss summed over the samples: a scalar that can be differentiated. The caller disposes it.</returns>
    Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics);
}
