using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// What Adam and AdamW share: m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; p ← p − η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε), in the order
/// of operations of torch.optim (<see href="https://arxiv.org/abs/1412.6980">Kingma and Ba, 2015</see>).
/// </summary>
internal abstract class AdaptiveMoments : IGradientOptimizer
{
    private readonly double _beta1;
    private readonly double _beta2;
    private readonly double _epsilon;
    private readonly Tensor _mean;
    private readonly Tensor _square;

    private protected AdaptiveMoments(Tensor parameters, double beta1, double beta2, double epsilon, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _beta1 = Hyperparameter.Decay(beta1, nameof(beta1));
        _beta2 = Hyperparameter.Decay(beta2, nameof(beta2));
        _epsilon = Hyperparameter.NonNegative(epsilon, nameof(epsilon));
        WeightDecay = Hyperparameter.NonNegative(weightDecay, nameof(weightDecay));
        _mean = zeros_like(parameters).DetachFromDisposeScope();
        _square = zeros_like(parameters).DetachFromDisposeScope();
        State = [("exp_avg", _mean), ("exp_avg_sq", _square)];
    }

    public IReadOnlyList<(string Name, Tensor Slot)> State { get; }

    public long StepCount { get; set; }

    private protected double WeightDecay { get; }

    public void Step(Tensor parameters, Tensor gradient, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(gradient);
        StepCount++;
        if (WeightDecay > 0) Decay(parameters, gradient, learningRate);
        _mean.MultiplyBy(_beta1).AddTimes(gradient, 1 - _beta1);
        _square.MultiplyBy(_beta2).AddProduct(gradient, gradient, 1 - _beta2);
        var denominator = gradient.copy_(_square).sqrt_().DivideBy(Math.Sqrt(1 - Math.Pow(_beta2, StepCount))).Add(_epsilon);
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
