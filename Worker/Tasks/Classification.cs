using System.Runtime.InteropServices;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Samples into classes: softmax and cross-entropy; the metric is the number of samples whose largest output is their class.</summary>
/// <param name="withConfusion">Whether the metrics also say, class by class, how many of its samples were taken for each class.</param>
/// <param name="augmentation">What is done to the images that are trained on; null for nothing.</param>
internal sealed class Classification(DataSet data, bool withConfusion = false, Augmentation? augmentation = null) : SupervisedTask(data, augmentation)
{
    private readonly ClassMetrics _metrics = new(data, withConfusion);

    public override int Metrics => _metrics.Count;

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        using var labels = targets.to(ScalarType.Int64);
        using var predicted = output.argmax(1);
        _metrics.Measure(labels, predicted, metrics);
        return nn.functional.cross_entropy(output, labels, reduction: nn.Reduction.Sum);
    }
}

/// <summary>
/// One of two classes: a sigmoid and binary cross-entropy; the metric is the number of samples on the right side of one half.
/// </summary>
/// <param name="data">The samples, of two classes.</param>
/// <param name="withConfusion">As in <see cref="Classification"/>.</param>
internal sealed class BinaryClassification(DataSet data, bool withConfusion = false) : SupervisedTask(data)
{
    private readonly ClassMetrics _metrics = new(data, withConfusion);

    public override int Metrics => _metrics.Count;

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        using var logits = output.flatten();
        using var predicted = logits.gt(0).to(ScalarType.Int64);
        using var labels = targets.to(ScalarType.Int64);
        _metrics.Measure(labels, predicted, metrics);
        // The sigmoid and the logarithm in one: apart, they lose what a large output says.
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction: nn.Reduction.Sum);
    }
}

/// <summary>The metrics of either: how many samples were taken for their class, and, where asked for, how many of each class for each.</summary>
internal sealed class ClassMetrics(DataSet data, bool withConfusion)
{
    /// <summary>With more, the counts would not fit into the tallies.</summary>
    private const int MaxClasses = 60;

    private readonly int _classes = withConfusion && data.Test.Format.Classes <= MaxClasses ? data.Test.Format.Classes : 0;

    public int Count => 1 + (_classes * _classes);

    /// <param name="labels">Int64 [samples].</param>
    /// <param name="metrics">The hits; then row by row a class, and what its samples were taken for.</param>
    public void Measure(Tensor labels, Tensor predicted, Span<double> metrics)
    {
        using var hits = predicted.eq(labels).sum();
        metrics[0] = hits.item<long>();
        if (_classes == 0) return;
        var counts = metrics[1..];
        counts.Clear();
        using var labelsHere = labels.cpu();
        using var predictedHere = predicted.cpu();
        var actual = MemoryMarshal.Cast<byte, long>(labelsHere.bytes);
        var taken = MemoryMarshal.Cast<byte, long>(predictedHere.bytes);
        for (var i = 0; i < actual.Length; i++) counts[(int)((actual[i] * _classes) + taken[i])]++;
    }
}
