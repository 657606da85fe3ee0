using Distributed.Shared.Kernel;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

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

    /// <summary>Forward pass and loss of some samples.</summary>
    /// <param name="model">The model, in training or evaluation mode as the round asks.</param>
    /// <param name="split">Which set the samples are from.</param>
    /// <param name="samples">Sample numbers in that set; not empty.</param>
    /// <param name="device">Where the model lies.</param>
    /// <param name="metrics">Receives the metrics, summed over the samples; <see cref="Metrics"/> long.</param>
    /// <returns>The loss summed over the samples: a scalar that can be differentiated. The caller disposes it.</returns>
    Tensor LossSum(nn.Module<Tensor, Tensor> model, RoundKind split, ReadOnlySpan<int> samples, Device device, Span<double> metrics);
}
