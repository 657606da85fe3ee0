using Distributed.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A multi-layer perceptron: linear layers with an activation and dropout between them.
/// Input: float32 [samples, …], flattened to [samples, inputs]; output: float32 [samples, classes], without activation. The state_dict
/// has the names and the order of a PyTorch module with the attributes <c>fc1, fc2, …</c>.
/// </summary>
internal sealed class Mlp : Module<Tensor, Tensor>
{
    private readonly Linear[] _layers;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly double _dropout;

    public Mlp(MlpSpec spec, IReadOnlyList<int> shape, int outputs)
        : base(nameof(Mlp))
    {
        _dropout = ModelArguments.Probability(spec.Dropout);
        _activation = Activations.Of(spec.Activation);
        var width = ModelArguments.Positive(shape.Aggregate(1, (size, dimension) => checked(size * dimension)), "inputs");
        _layers = new Linear[spec.Hidden.Count + 1];
        for (var i = 0; i < _layers.Length; i++)
        {
            var next = ModelArguments.Positive(i < spec.Hidden.Count ? spec.Hidden[i] : outputs);
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

/// <summary>The activations of hidden layers, with PyTorch's default parameters.</summary>
internal static class Activations
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> _known = new(StringComparer.Ordinal)
    {
        ["relu"] = static x => functional.relu(x),
        ["leaky-relu"] = static x => functional.leaky_relu(x, 0.01),
        ["elu"] = static x => functional.elu(x, 1),
        ["gelu"] = static x => functional.gelu(x),
        ["silu"] = static x => functional.silu(x),
        ["tanh"] = static x => functional.tanh(x),
        ["sigmoid"] = static x => functional.sigmoid(x),
    };

    public static Func<Tensor, Tensor> Of(string name) => _known.TryGetValue(name, out var function) ? function
        : throw new ArgumentException($"Unknown activation '{name}'; allowed: {string.Join(", ", _known.Keys)}.", nameof(name));
}
