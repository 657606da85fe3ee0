using Distributed.Worker.Abstractions;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.EndToEnd.Tests;

/// <summary>Classification whose report of a round has some 9 KB. Workers load it from this library, as a plugin.</summary>
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
        // No two are the same, and none is an integer that could be packed into fewer bytes.
        for (var i = 1; i < metrics.Length; i++) metrics[i] = metrics[0] / (i + 0.5);
        return functional.cross_entropy(output, labels, reduction: Reduction.Sum);
    }
}
