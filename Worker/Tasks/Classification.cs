using System.Runtime.InteropServices;
using Distributed.Shared.Kernel;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Images into classes: softmax and cross-entropy; the metric is the number of samples whose largest output is their class.</summary>
/// <param name="data">The images.</param>
/// <param name="withConfusion">Whether the metrics also say, class by class, how many of its samples were taken for each class.</param>
public sealed class Classification(DataSet data, bool withConfusion = false) : ITrainingTask
{
    /// <summary>With more, the counts would not fit into the tallies.</summary>
    private const int MaxConfusionClasses = 60;

    private readonly int _confusion = withConfusion && data.Test.Classes <= MaxConfusionClasses ? data.Test.Classes : 0;

    /// <inheritdoc/>
    public int TrainSamples => data.Train.Count;

    /// <inheritdoc/>
    public int TestSamples => data.Test.Count;

    /// <inheritdoc/>
    public string DataFingerprint => data.Fingerprint;

    /// <inheritdoc/>
    public int Metrics => 1 + (_confusion * _confusion);

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
        if (_confusion > 0) Count(labels, predicted, metrics[1..]);
        return nn.functional.cross_entropy(output, target, reduction: nn.Reduction.Sum);
    }

    private void Count(Tensor labels, Tensor predicted, Span<double> counts)
    {
        counts.Clear();
        using var onHost = predicted.cpu();
        var actual = MemoryMarshal.Cast<byte, long>(labels.bytes);
        var taken = MemoryMarshal.Cast<byte, long>(onHost.bytes);
        for (var i = 0; i < actual.Length; i++) counts[(int)((actual[i] * _confusion) + taken[i])]++;
    }
}
