using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Adam, as <see href="https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html">torch.optim.Adam</see>: weight
/// decay is L2, g ← g + λp.
/// </summary>
/// <param name="parameters">What is to be trained, float32 [parameters]: gives the length and the device of the state.</param>
/// <param name="beta1">β₁, at least 0, below 1.</param>
/// <param name="beta2">β₂, at least 0, below 1.</param>
/// <param name="epsilon">ε, at least 0.</param>
/// <param name="weightDecay">λ, at least 0.</param>
/// <exception cref="ArgumentException">A value is out of range.</exception>
internal sealed class Adam(Tensor parameters, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0)
    : AdaptiveMoments(parameters, beta1, beta2, epsilon, weightDecay)
{
    private protected override void Decay(Tensor parameters, Tensor gradient, double learningRate) =>
        gradient.AddTimes(parameters, WeightDecay);
}
