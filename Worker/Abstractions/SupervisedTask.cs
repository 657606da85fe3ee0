using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>A task whose samples each have a target.</summary>
/// <param name="data">The samples.</param>
/// <param name="augmentation">What is done to the images that are trained on, which leaves their targets as they are; null for nothing.</param>
public abstract class SupervisedTask(DataSet data, IAugmentation? augmentation = null) : DataTask(data, augmentation)
{
    /// <inheritdoc/>
    public sealed override Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics)
    {
        using var output = model.Call(batch.Inputs);
        return LossSum(output, batch.Targets, metrics);
    }

    /// <summary>Loss of what a model gave.</summary>
    /// <param name="output">Float32 [samples, …].</param>
    /// <param name="targets">Float32 [samples, …].</param>
    /// <param name="metrics">Receives the metrics, summed over the samples.</param>
    /// <returns>The loss summed over the samples, a scalar.</returns>
    protected abstract Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics);
}
