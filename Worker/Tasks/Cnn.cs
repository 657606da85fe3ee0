using System.Numerics;
using Distributed.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A small convolutional classifier. Each entry of <c>channels</c> is a block: convolution 3×3 with padding 1, batch-norm if asked for,
/// ReLU, max-pool 2. A hidden linear layer with ReLU and dropout follows, then a linear layer that outputs the logits.
/// Input: float32 [samples, channels, height, width]; output: logits, float32 [samples, classes]. The state_dict has the names and
/// the order of a PyTorch module with the attributes <c>conv1, norm1, conv2, norm2, …, fc1, fc2</c>.
/// </summary>
internal sealed class Cnn : Module<Tensor, Tensor>
{
    private readonly (Conv2d Convolution, BatchNorm2d? Norm)[] _blocks;
    private readonly Linear _hidden;
    private readonly Linear _output;
    private readonly double _dropout;

    public Cnn(CnnSpec spec, IReadOnlyList<int> shape, int outputs)
        : base(nameof(Cnn))
    {
        var (channels, height, width) = ModelArguments.Image(shape);
        var (blocks, maxBlocks) = (spec.Channels.Count, BitOperations.Log2((uint)Math.Min(height, width)));
        if (blocks > maxBlocks)
        {
            throw new ArgumentException(
                $"An image of {height}x{width} is too small for {blocks} convolution blocks: each halves it, and block " +
                $"{maxBlocks + 1} would leave nothing. Give at most {maxBlocks} channels, or larger images.");
        }
        _dropout = ModelArguments.Probability(spec.Dropout);
        _blocks = new (Conv2d, BatchNorm2d?)[blocks];
        for (var i = 0; i < blocks; i++)
        {
            var next = ModelArguments.Positive(spec.Channels[i]);
            _blocks[i] = (Conv2d(channels, next, kernel_size: 3, padding: 1), spec.BatchNorm ? BatchNorm2d(next) : null);
            register_module($"conv{i + 1}", _blocks[i].Convolution);
            if (_blocks[i].Norm is { } norm) register_module($"norm{i + 1}", norm);
            channels = next;
        }
        _hidden = Linear((long)channels * (height >> blocks) * (width >> blocks), ModelArguments.Positive(spec.Hidden));
        _output = Linear(spec.Hidden, ModelArguments.Positive(outputs));
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
}
