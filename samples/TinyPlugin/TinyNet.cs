using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TinyPlugin;

/// <summary>A network with one hidden layer: an ordinary module, which needs nothing of this project.</summary>
public sealed class TinyNet : Module<Tensor, Tensor>
{
    private readonly Module<Tensor, Tensor> _layers;

    /// <summary>Builds the layers.</summary>
    /// <param name="inputs">Number of values of a sample, from the data.</param>
    /// <param name="outputs">Number of classes, from the data.</param>
    /// <param name="hidden">Width of the hidden layer.</param>
    /// <param name="dropout">Probability of dropping one of its values in training.</param>
    public TinyNet(int inputs, int outputs, int hidden = 16, double dropout = 0.1)
        : base(nameof(TinyNet))
    {
        _layers = Sequential(("hidden", Linear(inputs, hidden)), ("relu", ReLU()), ("dropout", Dropout(dropout)),
            ("output", Linear(hidden, outputs)));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input) => _layers.call(input.flatten(1));
}
