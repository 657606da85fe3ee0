using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A residual network for small images (He et al. 2016, "Deep residual learning", section 4.2): a convolution, stages of basic
/// blocks of which each but the first halves the image, the mean over what is left of it, and a linear layer that gives the logits.
/// </summary>
/// <remarks>
/// Input: float32 [samples, inputChannels, height, width]; output: logits, float32 [samples, classes]. Where a block changes the
/// shape, a convolution 1×1 brings the shortcut to it (option B). The state_dict has the names and the order of torchvision's
/// ResNet: <c>conv1, bn1, layer1.0.conv1, …, layer2.0.downsample.0, …, fc</c>; with a norm, convolutions have no bias.
/// </remarks>
internal sealed class ResNet : Module<Tensor, Tensor>
{
    private readonly Conv2d _stem;
    private readonly Module<Tensor, Tensor>? _norm;
    private readonly List<Block> _blocks = [];
    private readonly Linear _output;

    /// <summary>Builds the layers, with weights drawn from torch's default generator as PyTorch draws them.</summary>
    /// <param name="inputChannels">Channels of the image, at least 1.</param>
    /// <param name="classes">Classes to tell apart, at least 1.</param>
    /// <param name="blocks">Basic blocks of each stage, at least 1; one each where null.</param>
    /// <param name="channels">Channels of each stage, at least 1; 16, 32 and 64 where null.</param>
    /// <param name="norm">What follows a convolution: a name that <see cref="Norms"/> knows.</param>
    /// <exception cref="ArgumentException">A value is out of range, the norm is unknown, or there are not as many channels as stages.</exception>
    public ResNet(int inputChannels, int classes, IReadOnlyList<int>? blocks = null, IReadOnlyList<int>? channels = null, string norm = "batch")
        : base(nameof(ResNet))
    {
        blocks ??= [1, 1, 1];
        channels ??= [16, 32, 64];
        if (blocks.Count == 0 || blocks.Count != channels.Count)
            throw new ArgumentException($"There are {blocks.Count} stages with blocks and {channels.Count} with channels; give as many, at least one.", nameof(channels));
        var width = ModelArguments.Positive(channels[0], nameof(channels));
        register_module("conv1", _stem = Convolution(ModelArguments.Positive(inputChannels), width, 3, stride: 1, norm));
        if ((_norm = Norms.Of(norm, width)) is not null) register_module("bn1", _norm);
        for (var stage = 0; stage < blocks.Count; stage++)
        {
            var layer = Stage(width, ModelArguments.Positive(channels[stage], nameof(channels)), ModelArguments.Positive(blocks[stage], nameof(blocks)), stage == 0 ? 1 : 2, norm);
            register_module($"layer{stage + 1}", layer);
            width = channels[stage];
        }
        register_module("fc", _output = Linear(width, ModelArguments.Positive(classes)));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = functional.relu(Normalized(_norm, _stem.call(input)));
        foreach (var block in _blocks) x = block.call(x);
        return _output.call(x.mean([2, 3])).MoveToOuterDisposeScope();
    }

    private Sequential Stage(int inputs, int outputs, int blocks, int stride, string norm)
    {
        var stage = Sequential();
        for (var i = 0; i < blocks; i++)
        {
            _blocks.Add(i == 0 ? new(inputs, outputs, stride, norm) : new(outputs, outputs, 1, norm));
            stage.append($"{i}", _blocks[^1]);
        }
        return stage;
    }

    private static Conv2d Convolution(int inputs, int outputs, int size, int stride, string norm) =>
        Conv2d(inputs, outputs, kernel_size: size, stride: stride, padding: size / 2, bias: norm == Norms.None);

    private static Tensor Normalized(Module<Tensor, Tensor>? norm, Tensor x) => norm is null ? x : norm.call(x);

    /// <summary>Two convolutions around which the input is led, and added to what they give.</summary>
    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Conv2d _first;
        private readonly Conv2d _second;
        private readonly Module<Tensor, Tensor>? _firstNorm;
        private readonly Module<Tensor, Tensor>? _secondNorm;
        private readonly Sequential? _shortcut;

        public Block(int inputs, int outputs, int stride, string norm)
            : base(nameof(Block))
        {
            register_module("conv1", _first = Convolution(inputs, outputs, 3, stride, norm));
            if ((_firstNorm = Norms.Of(norm, outputs)) is not null) register_module("bn1", _firstNorm);
            register_module("conv2", _second = Convolution(outputs, outputs, 3, stride: 1, norm));
            if ((_secondNorm = Norms.Of(norm, outputs)) is not null) register_module("bn2", _secondNorm);
            if (stride == 1 && inputs == outputs) return;
            _shortcut = Sequential(("0", Convolution(inputs, outputs, 1, stride, norm)));
            if (Norms.Of(norm, outputs) is { } shortcutNorm) _shortcut.append("1", shortcutNorm);
            register_module("downsample", _shortcut);
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            // Left out, the factor would be made on the way, and let go.
            using var one = 1.ToScalar();
            var x = functional.relu(Normalized(_firstNorm, _first.call(input)));
            x = Normalized(_secondNorm, _second.call(x));
            return functional.relu(x.add(_shortcut is null ? input : _shortcut.call(input), one)).MoveToOuterDisposeScope();
        }
    }
}
