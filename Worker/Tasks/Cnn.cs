using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A small convolutional classifier. Each entry of <c>channels</c> is a block: convolution 3×3 with padding 1, batch-norm
/// where asked for, ReLU, max-pool 2; then a hidden linear layer with ReLU and dropout, and a linear layer that gives the
/// logits.
/// </summary>
/// <remarks>
/// Input: float32 [samples, inputChannels, height, width]; output: logits, float32 [samples, classes]. The state_dict has
/// the names and the order of a PyTorch module with the attributes <c>conv1, norm1, conv2, norm2, …, fc1, fc2</c>.
/// </remarks>
internal sealed class Cnn : Module<Tensor, Tensor>
{
    private readonly (Conv2d Convolution, BatchNorm2d? Norm)[] _blocks;
    private readonly Linear _hidden;
    private readonly Linear _output;
    private readonly double _dropout;

    /// <summary>Builds the layers, with weights drawn from torch's default generator as PyTorch draws them.</summary>
    /// <param name="inputChannels">Channels of the image, at least 1.</param>
    /// <param name="height">Rows of the image; at least 2 to the power of the number of blocks.</param>
    /// <param name="width">Columns of the image; at least 2 to the power of the number of blocks.</param>
    /// <param name="classes">Classes to tell apart, at least 1.</param>
    /// <param name="channels">Output channels of each block, in order, each at least 1; 32 then 64 where null.</param>
    /// <param name="hidden">Width of the hidden linear layer, at least 1.</param>
    /// <param name="batchNorm">Whether a batch-norm follows each convolution.</param>
    /// <param name="dropout">Probability with which a hidden activation is zeroed in training: at least 0, below 1.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the image is too small for the max-pools.</exception>
    public Cnn(
        int inputChannels,
        int height,
        int width,
        int classes,
        IReadOnlyList<int>? channels = null,
        int hidden = 128,
        bool batchNorm = false,
        double dropout = 0)
        : base(nameof(Cnn))
    {
        channels ??= [32, 64];
        _dropout = ModelArguments.Probability(dropout);
        var (rows, columns) = PooledSize(ModelArguments.Positive(height), ModelArguments.Positive(width), channels.Count);
        _blocks = new (Conv2d, BatchNorm2d?)[channels.Count];
        var inputs = ModelArguments.Positive(inputChannels);
        for (var i = 0; i < channels.Count; i++)
        {
            var outputs = ModelArguments.Positive(channels[i], nameof(channels));
            _blocks[i] = (Conv2d(inputs, outputs, kernel_size: 3, padding: 1), batchNorm ? BatchNorm2d(outputs) : null);
            register_module($"conv{i + 1}", _blocks[i].Convolution);
            if (_blocks[i].Norm is { } norm) register_module($"norm{i + 1}", norm);
            inputs = outputs;
        }

        _hidden = Linear((long)inputs * rows * columns, ModelArguments.Positive(hidden));
        _output = Linear(hidden, ModelArguments.Positive(classes));
        register_module("fc1", _hidden);
        register_module("fc2", _output);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input;
        foreach (var (convolution, norm) in _blocks)
        {
            x = convolution.call(x);
            if (norm is not null) x = norm.call(x);
            x = functional.max_pool2d(functional.relu(x), 2);
        }

        x = functional.relu(_hidden.call(x.flatten(1)));
        if (_dropout > 0) x = functional.dropout(x, _dropout, training);
        return _output.call(x).MoveToOuterDisposeScope();
    }

    private static (int Rows, int Columns) PooledSize(int height, int width, int pools)
    {
        var (rows, columns) = (height, width);
        for (var pool = 1; pool <= pools; pool++)
        {
            (rows, columns) = (rows / 2, columns / 2);
            if (rows == 0 || columns == 0)
            {
                throw new ArgumentException(
                    $"An image of {height}x{width} is too small for {pools} convolution blocks: each halves it, and block {pool} " +
                    $"would leave nothing. Give at most {pool - 1} channels, or larger images.");
            }
        }

        return (rows, columns);
    }
}
