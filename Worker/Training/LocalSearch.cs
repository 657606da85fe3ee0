using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>Random local search: every candidate is the best so far with normal noise on each parameter, and takes its place if it is better.</summary>
/// <param name="stepSize">The standard deviation of the noise, at least 0.</param>
/// <exception cref="ArgumentException">The step size is out of range.</exception>
internal sealed class LocalSearch(long seed, double stepSize) : SeededSearch(seed)
{
    private readonly double _stepSize = Hyperparameter.NonNegative(stepSize, nameof(stepSize));

    private protected override void Move(Tensor parameters, Tensor noise) => parameters.AddTimes(noise, _stepSize);
}
