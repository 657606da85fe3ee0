using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>A multi-layer perceptron: linear layers with an activation and dropout between them.</summary>
/// <remarks>
/// Input: float32 [samples, …], flattened to [samples, inputs]; output: float32 [samples, classes], with no activation. The
/// state_dict has the names and the order of a PyTorch module with the attributes <c>fc1, fc2, …</c>.
/// </remarks>
internal sealed class Mlp : Module<Tensor, Tensor>
{
    private readonly Linear[] _layers;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly double _dropout;

    /// <summary>Builds the layers, with weights drawn from torch's default generator as PyTorch draws them.</summary>
    /// <param name="inputs">Elements of a sample, at least 1.</param>
    /// <param name="hidden">Widths of the hidden layers, in order, each at least 1; none makes a linear model.</param>
    /// <param name="classes">Outputs, at least 1.</param>
    /// <param name="activation">What follows a hidden layer: a name that <see cref="Activations"/> knows.</param>
    /// <param name="dropout">Probability with which a hidden activation is zeroed in training: at least 0, below 1.</param>
    /// <exception cref="ArgumentException">A value is out of range or the activation is unknown.</exception>
    public Mlp(int inputs, IReadOnlyList<int> hidden, int classes, string activation = "relu", double dropout = 0)
        : base(nameof(Mlp))
    {
        ArgumentNullException.ThrowIfNull(hidden);
        _dropout = ModelArguments.Probability(dropout);
        _activation = Activations.Of(activation);
        var width = ModelArguments.Positive(inputs);
        _layers = new Linear[hidden.Count + 1];
        for (var i = 0; i < _layers.Length; i++)
        {
            var next = i < hidden.Count
                ? ModelArguments.Positive(hidden[i], nameof(hidden))
                : ModelArguments.Positive(classes);
            _layers[i] = Linear(width, next);
            register_module($"fc{i + 1}", _layers[i]);
            width = next;
        }
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input.flatten(1);
        foreach (var layer in _layers[..^1])
        {
            x = _activation(layer.call(x));
            if (_dropout > 0) x = functional.dropout(x, _dropout, training);
        }

        return _layers[^1].call(x).MoveToOuterDisposeScope();
    }
}
