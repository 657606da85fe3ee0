using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>
/// Stochastic gradient descent with momentum, Nesterov momentum and L2 weight decay, as
/// <see href="https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html">torch.optim.SGD</see> without dampening:
/// g ← g + λp; b ← μb + g; g ← g + μb (Nesterov) or b; p ← p − ηg.
/// </summary>
internal sealed class Sgd : IGradientOptimizer
{
    private readonly double _momentum, _weightDecay;
    private readonly bool _nesterov;
    private readonly Tensor? _velocity;

    /// <param name="momentum">μ; 0 keeps no state.</param>
    public Sgd(Tensor parameters, double momentum = 0, bool nesterov = false, double weightDecay = 0)
    {
        _momentum = Hyperparameter.NonNegative(momentum, nameof(momentum));
        _weightDecay = Hyperparameter.NonNegative(weightDecay, nameof(weightDecay));
        if (nesterov && momentum == 0) throw new ArgumentException("Nesterov's momentum needs a momentum above 0.", nameof(nesterov));
        _nesterov = nesterov;
        _velocity = momentum > 0 ? zeros_like(parameters).DetachFromDisposeScope() : null;
        State = _velocity is null ? [] : [("momentum_buffer", _velocity)];
    }

    public IReadOnlyList<(string Name, Tensor Slot)> State { get; }
    public long StepCount { get; set; }

    public void Step(Tensor parameters, Tensor gradient, double learningRate)
    {
        StepCount++;
        if (_weightDecay > 0) gradient.AddTimes(parameters, _weightDecay);
        // PyTorch initializes the velocity with the first gradient; without dampening, starting from 0 gives the same.
        _velocity?.MultiplyBy(_momentum).AddTimes(gradient, 1);
        if (_nesterov) gradient.AddTimes(_velocity!, _momentum);
        parameters.AddTimes(_nesterov ? gradient : _velocity ?? gradient, -learningRate);
    }

    public void Dispose() => _velocity?.Dispose();
}
