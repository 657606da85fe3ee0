using System.Runtime.InteropServices;
using Distributed.Shared.Kernel;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Images into classes: softmax and cross-entropy; the metric is the number of samples whose largest output is their class.</summary>
public sealed class Classification(DataSet data) : ITrainingTask
{
    /// <inheritdoc/>
    public int TrainSamples => data.Train.Count;

    /// <inheritdoc/>
    public int TestSamples => data.Test.Count;

    /// <inheritdoc/>
    public string DataFingerprint => data.Fingerprint;

    /// <inheritdoc/>
    public int Metrics => 1;

    /// <inheritdoc/>
    public Tensor LossSum(nn.Module<Tensor, Tensor> model, RoundKind split, ReadOnlySpan<int> samples, Device device, Span<double> metrics)
    {
        var set = split == RoundKind.Train ? data.Train : data.Test;
        using var images = empty([samples.Length, set.Channels, set.Height, set.Width], ScalarType.Float32);
        using var labels = empty([samples.Length], ScalarType.Int64);
        set.CopyTo(samples, MemoryMarshal.Cast<byte, float>(images.bytes), MemoryMarshal.Cast<byte, long>(labels.bytes));
        using var input = images.to(device);
        using var target = labels.to(device);
        using var output = model.call(input);
        using var predicted = output.argmax(1);
        using var hits = predicted.eq(target).sum();
        metrics[0] = hits.item<long>();
        return nn.functional.cross_entropy(output, target, reduction: nn.Reduction.Sum);
    }
}
