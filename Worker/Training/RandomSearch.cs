using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>Random search: every candidate is drawn anew, each parameter from a normal distribution around 0, and the best is kept.</summary>
/// <param name="scale">The standard deviation, at least 0.</param>
/// <exception cref="ArgumentException">The scale is out of range.</exception>
internal sealed class RandomSearch(long seed, double scale) : SeededSearch(seed)
{
    private readonly double _scale = Hyperparameter.NonNegative(scale, nameof(scale));

    private protected override void Move(Tensor parameters, Tensor noise) => parameters.copy_(noise).MultiplyBy(_scale);
}
