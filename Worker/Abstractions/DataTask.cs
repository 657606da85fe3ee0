using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>A task whose samples come from a <see cref="DataSet"/>. Derive from it if the model does not map one tensor to one.</summary>
/// <param name="data">The samples.</param>
/// <param name="augmentation">Changes training images and keeps their targets; null leaves the images unchanged.</param>
public abstract class DataTask(DataSet data, IAugmentation? augmentation = null) : ITrainingTask
{
    /// <summary>The samples.</summary>
    protected DataSet Data { get; } = data;

    /// <inheritdoc/>
    public int TrainSamples => Data.Train.Count;

    /// <inheritdoc/>
    public int TestSamples => Data.Test.Count;

    /// <inheritdoc/>
    public string DataFingerprint => Data.Fingerprint;

    /// <inheritdoc/>
    public abstract int Metrics { get; }

    /// <inheritdoc/>
    public SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device) => split == RoundKind.Train
        ? SampleBatch.Of(Data.Train, samples, device, augmentation, epoch)
        : SampleBatch.Of(Data.Test, samples, device);

    /// <inheritdoc/>
    public abstract Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics);
}

/// <summary>A task whose loss compares the output of a model that maps one tensor to one with the targets.</summary>
/// <param name="data">The samples.</param>
/// <param name="augmentation">Changes training images and keeps their targets; null leaves the images unchanged.</param>
public abstract class SupervisedTask(DataSet data, IAugmentation? augmentation = null) : DataTask(data, augmentation)
{
    /// <summary>Runs the model and computes the loss of its output.</summary>
    /// <exception cref="PluginException">The model does not map one tensor to one.</exception>
    /// <inheritdoc/>
    public sealed override Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics)
    {
        using var output = model.Call(batch.Inputs);
        return LossSum(output, batch.Targets, metrics);
    }

    /// <summary>Computes the loss and the metrics of an output.</summary>
    /// <param name="output">Usually float32 [samples, <see cref="SampleFormat.Outputs"/>]; logits in classification.</param>
    /// <param name="targets">Float32 [samples, …] as in <see cref="SampleBatch.Targets"/>; a class is its number from 0.</param>
    /// <param name="metrics">Receives the metrics, each a sum over the samples; 0 at first.</param>
    /// <returns>The loss summed (not averaged) over the samples: a float32 scalar. The caller disposes it.</returns>
    protected abstract Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics);
}

/// <summary>Changes training images at random. Implementations must be safe to call from several threads at once.</summary>
public interface IAugmentation
{
    /// <summary>Changes an image in place. Equal arguments must give equal bits.</summary>
    /// <param name="epoch">The epoch that uses the image, from 0.</param>
    /// <param name="sample">Number of the sample in the training set, from 0.</param>
    /// <param name="image">Channels × height × width values from 0 (black) to 1, row by row; the results stay in this range.</param>
    void Apply(int epoch, int sample, Span<float> image);
}
