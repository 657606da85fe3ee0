using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Regression of one number per sample; the metrics are the sums that <see cref="Core.Scores.Metric.R2"/> reads.</summary>
/// <param name="loss"><see cref="Losses.L2"/> or <see cref="Losses.L1"/>.</param>
internal sealed class Regression(DataSet data, string loss) : SupervisedTask(data)
{
    public override int Metrics => 3;

    protected override Tensor LossSum(Tensor output, Tensor targets, Span<double> metrics)
    {
        var predicted = output.flatten();
        // In float64: the variance is a small difference of large sums.
        var (exact, errors) = (targets.to(ScalarType.Float64), (predicted.detach() - targets).to(ScalarType.Float64));
        metrics[0] = errors.square().sum().item<double>();
        metrics[1] = exact.sum().item<double>();
        metrics[2] = exact.square().sum().item<double>();
        return loss switch
        {
            Losses.L2 => nn.functional.mse_loss(predicted, targets, nn.Reduction.Sum),
            Losses.L1 => nn.functional.l1_loss(predicted, targets, nn.Reduction.Sum),
            _ => throw new NotSupportedException($"loss '{loss}' is not defined for regression"),
        };
    }
}
