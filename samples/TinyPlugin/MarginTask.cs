using Distributed.Worker.Abstractions;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TinyPlugin;

/// <summary>Classification by a margin (Crammer and Singer 2001): the output of the right class should exceed all others.</summary>
/// <param name="data">The samples.</param>
/// <param name="margin">By how much the output should exceed the others.</param>
public sealed class MarginTask(DataSet data, double margin = 1) : SupervisedTask(data)
{
    /// <inheritdoc/>
    public override int Metrics => 1;

    /// <inheritdoc/>
    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        var labels = targets.to(ScalarType.Int64);
        metrics[0] = output.argmax(1).eq(labels).sum().item<long>();
        return functional.multi_margin_loss(output, labels, margin: margin, reduction: Reduction.Sum);
    }
}
