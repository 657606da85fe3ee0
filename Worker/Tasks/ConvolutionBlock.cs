using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// Two convolutions 3×3 that keep the size of the image, each with a ReLU and, where asked for, a batch-norm before it. The state_dict has
/// the names and the order of a PyTorch module with the attributes <c>conv1, norm1, conv2, norm2</c>.
/// </summary>
internal sealed class ConvolutionBlock : Module<Tensor, Tensor>
{
    private readonly (Conv2d Convolution, BatchNorm2d? Norm)[] _stages;

    public ConvolutionBlock(int inputs, int outputs, bool batchNorm)
        : base(nameof(ConvolutionBlock))
    {
        _stages = [Stage(1, inputs), Stage(2, outputs)];

        (Conv2d, BatchNorm2d?) Stage(int number, int from)
        {
            // What a bias adds, a batch-norm takes away again.
            var (convolution, norm) = (Conv2d(from, outputs, kernel_size: 3, padding: 1, bias: !batchNorm), batchNorm ? BatchNorm2d(outputs) : null);
            register_module($"conv{number}", convolution);
            if (norm is not null) register_module($"norm{number}", norm);
            return (convolution, norm);
        }
    }

    /// <summary>Float32 [samples, inputs, rows, columns] to [samples, outputs, rows, columns].</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input;
        foreach (var (convolution, norm) in _stages)
        {
            x = convolution.call(x);
            if (norm is not null) x = norm.call(x);
            x = functional.relu(x);
        }
        return x.MoveToOuterDisposeScope();
    }
}
