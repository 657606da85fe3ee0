using Distributed.Worker.Abstractions;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.EndToEnd.Tests;

/// <summary>A classification with reports of some 9 KB a round. Workers load it from this assembly, as a plugin.</summary>
/// <param name="data">The samples.</param>
public sealed class ThousandMetrics(DataSet data) : SupervisedTask(data)
{
    /// <inheritdoc/>
    public override int Metrics => 1000;

    /// <inheritdoc/>
    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        var labels = targets.to(ScalarType.Int64);
        metrics[0] = output.argmax(1).eq(labels).sum().item<long>();
        // All different, and not integers, which would be packed into fewer bytes.
        for (var i = 1; i < metrics.Length; i++) metrics[i] = metrics[0] / (i + 0.5);
        return functional.cross_entropy(output, labels, reduction: Reduction.Sum);
    }
}
