using System.Runtime.InteropServices;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Classification by softmax and cross-entropy. The metric is the number of samples whose largest output is their class.</summary>
internal sealed class Classification(DataSet data, bool withConfusion = false, Augmentation? augmentation = null)
    : SupervisedTask(data, augmentation)
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

/// <summary>Classification into two classes by a sigmoid and binary cross-entropy; same metrics as <see cref="Classification"/>.</summary>
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
        // Fused: a separate sigmoid saturates at large outputs, and its logarithm loses their value.
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction: nn.Reduction.Sum);
    }
}

/// <summary>The number of correct samples and, if asked for, the confusion matrix.</summary>
internal sealed class ClassMetrics(DataSet data, bool withConfusion)
{
    /// <summary>The confusion matrix of more classes would not fit into the tallies.</summary>
    private const int MaxClasses = 60;

    private readonly int _classes = withConfusion && data.Test.Format.Classes <= MaxClasses ? data.Test.Format.Classes : 0;

    public int Count => 1 + (_classes * _classes);

    /// <param name="metrics">Receives the number of correct samples, then the confusion matrix: a row for each true class.</param>
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
        var classes = MemoryMarshal.Cast<byte, long>(predictedHere.bytes);
        for (var i = 0; i < actual.Length; i++) counts[(int)((actual[i] * _classes) + classes[i])]++;
    }
}
