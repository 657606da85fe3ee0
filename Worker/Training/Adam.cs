using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// The update of Adam (<see href="https://arxiv.org/abs/1412.6980">Kingma and Ba, 2015</see>) in the order of operations of torch.optim:
/// m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; p ← p − η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
/// </summary>
internal abstract class AdaptiveMoments(Tensor parameters, double beta1, double beta2, double epsilon, double weightDecay)
    : IGradientOptimizer
{
    private readonly double _beta1 = Hyperparameter.Decay(beta1, nameof(beta1));
    private readonly double _beta2 = Hyperparameter.Decay(beta2, nameof(beta2));
    private readonly double _epsilon = Hyperparameter.NonNegative(epsilon, nameof(epsilon));
    private readonly Tensor _mean = zeros_like(parameters).DetachFromDisposeScope();
    private readonly Tensor _square = zeros_like(parameters).DetachFromDisposeScope();

    public IReadOnlyList<(string Name, Tensor Slot)> State => [("exp_avg", _mean), ("exp_avg_sq", _square)];
    public long StepCount { get; set; }
    private protected double WeightDecay { get; } = Hyperparameter.NonNegative(weightDecay, nameof(weightDecay));

    public void Step(Tensor parameters, Tensor gradient, double learningRate)
    {
        StepCount++;
        if (WeightDecay > 0) Decay(parameters, gradient, learningRate);
        _mean.MultiplyBy(_beta1).AddTimes(gradient, 1 - _beta1);
        _square.MultiplyBy(_beta2).AddProduct(gradient, gradient, 1 - _beta2);
        var correction = Math.Sqrt(1 - Math.Pow(_beta2, StepCount));
        var denominator = gradient.copy_(_square).sqrt_().DivideBy(correction).Add(_epsilon);
        parameters.AddQuotient(_mean, denominator, -learningRate / (1 - Math.Pow(_beta1, StepCount)));
    }

    public void Dispose()
    {
        _mean.Dispose();
        _square.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected abstract void Decay(Tensor parameters, Tensor gradient, double learningRate);
}

/// <summary>Adam with L2 weight decay, as torch.optim.Adam: g ← g + λp.</summary>
internal sealed class Adam(Tensor parameters, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0)
    : AdaptiveMoments(parameters, beta1, beta2, epsilon, weightDecay)
{
    private protected override void Decay(Tensor parameters, Tensor gradient, double learningRate) =>
        gradient.AddTimes(parameters, WeightDecay);
}

/// <summary>Adam with decoupled weight decay, as torch.optim.AdamW: p ← (1 − ηλ)p (Loshchilov and Hutter, 2019).</summary>
internal sealed class AdamW(Tensor parameters, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, double weightDecay = 0.01)
    : AdaptiveMoments(parameters, beta1, beta2, epsilon, weightDecay)
{
    private protected override void Decay(Tensor parameters, Tensor gradient, double learningRate) =>
        parameters.MultiplyBy(1 - (learningRate * WeightDecay));
}
