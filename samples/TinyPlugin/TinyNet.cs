using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TinyPlugin;

/// <summary>A hidden layer: a model as anybody writes one, which knows nothing of workers.</summary>
public sealed class TinyNet : Module<Tensor, Tensor>
{
    private readonly Module<Tensor, Tensor> _layers;

    /// <summary>Builds the layers.</summary>
    /// <param name="inputs">Values of a sample; the data says it.</param>
    /// <param name="outputs">Classes; the data says it.</param>
    /// <param name="hidden">Width of the hidden layer.</param>
    /// <param name="dropout">Share of it that is dropped while training.</param>
    public TinyNet(int inputs, int outputs, int hidden = 16, double dropout = 0.1)
        : base(nameof(TinyNet))
    {
        _layers = Sequential(("hidden", Linear(inputs, hidden)), ("relu", ReLU()), ("dropout", Dropout(dropout)), ("output", Linear(hidden, outputs)));
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input) => _layers.call(input.flatten(1));
}
