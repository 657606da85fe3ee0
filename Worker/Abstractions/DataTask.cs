using Distributed.Core.Planning;
using static TorchSharp.torch;

namespace Distributed.Worker.Abstractions;

/// <summary>A task on a data set.</summary>
/// <param name="data">The samples.</param>
/// <param name="augmentation">What is done to the images that are trained on, which leaves their targets as they are; null for nothing.</param>
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
    public SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device) =>
        split == RoundKind.Train ? SampleBatch.Of(Data.Train, samples, device, augmentation, epoch) : SampleBatch.Of(Data.Test, samples, device);

    /// <inheritdoc/>
    public abstract Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics);
}
