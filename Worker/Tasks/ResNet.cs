using System.Numerics;
using Distributed.Jobs;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A residual network for small images (He et al. 2016, "Deep residual learning", section 4.2): a convolution, stages of basic blocks,
/// each stage but the first halving the image, global average pooling, and a linear layer that outputs the logits.
/// Input: float32 [samples, channels, height, width]; output: logits, float32 [samples, classes]. If a block changes the shape, its
/// shortcut has a convolution 1×1 (option B). The state_dict has the names and the order of torchvision's ResNet:
/// <c>conv1, bn1, layer1.0.conv1, …, layer2.0.downsample.0, …, fc</c>. Convolutions have a bias only without a norm.
/// </summary>
internal sealed class ResNet : Module<Tensor, Tensor>
{
    private readonly Conv2d _stem;
    private readonly Module<Tensor, Tensor> _norm;
    private readonly List<Block> _blocks = [];
    private readonly Linear _output;

    public ResNet(ResNetSpec spec, IReadOnlyList<int> shape, int outputs)
        : base(nameof(ResNet))
    {
        var (blocks, channels, norm) = (spec.Blocks, spec.Channels, spec.Norm);
        if (blocks.Count == 0 || blocks.Count != channels.Count)
        {
            throw new ArgumentException(
                $"There are {blocks.Count} stages with blocks and {channels.Count} with channels; both need the same number, at least 1.");
        }
        var width = ModelArguments.Positive(channels[0]);
        register_module("conv1", _stem = Convolution(ModelArguments.Image(shape).Channels, width, 3, stride: 1, norm));
        register_module("bn1", _norm = Norms.Of(norm, width));
        for (var stage = 0; stage < blocks.Count; stage++)
        {
            var (next, count) = (ModelArguments.Positive(channels[stage]), ModelArguments.Positive(blocks[stage]));
            register_module($"layer{stage + 1}", Stage(width, next, count, stage == 0 ? 1 : 2, norm));
            width = next;
        }
        register_module("fc", _output = Linear(width, ModelArguments.Positive(outputs)));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = functional.relu(_norm.call(_stem.call(input)));
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

    /// <summary>Two convolutions, to whose output the shortcut adds the input.</summary>
    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Conv2d _first;
        private readonly Conv2d _second;
        private readonly Module<Tensor, Tensor> _firstNorm;
        private readonly Module<Tensor, Tensor> _secondNorm;
        private readonly Sequential? _shortcut;

        public Block(int inputs, int outputs, int stride, string norm)
            : base(nameof(Block))
        {
            register_module("conv1", _first = Convolution(inputs, outputs, 3, stride, norm));
            register_module("bn1", _firstNorm = Norms.Of(norm, outputs));
            register_module("conv2", _second = Convolution(outputs, outputs, 3, stride: 1, norm));
            register_module("bn2", _secondNorm = Norms.Of(norm, outputs));
            if (stride == 1 && inputs == outputs) return;
            _shortcut = Sequential(("0", Convolution(inputs, outputs, 1, stride, norm)), ("1", Norms.Of(norm, outputs)));
            register_module("downsample", _shortcut);
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            // An implicit factor would be a scalar that nothing keeps alive; see Scalars.
            using var one = 1.ToScalar();
            var x = functional.relu(_firstNorm.call(_first.call(input)));
            x = _secondNorm.call(_second.call(x));
            return functional.relu(x.add(_shortcut is null ? input : _shortcut.call(input), one)).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>The normalization layers of convolutions, with PyTorch's default parameters.</summary>
internal static class Norms
{
    public const string None = "none";

    private const int Groups = 8;

    private static readonly Dictionary<string, Func<int, Module<Tensor, Tensor>>> _known = new(StringComparer.Ordinal)
    {
        // Over the samples of a micro-batch (Ioffe and Szegedy 2015).
        ["batch"] = static channels => BatchNorm2d(channels),
        // Over groups of channels of one sample (Wu and He 2018): at most eight groups, a divisor of the channels.
        ["group"] = static channels => Group(channels),
        [None] = static _ => Identity(),
    };

    public static Module<Tensor, Tensor> Of(string name, int channels) => _known.TryGetValue(name, out var create) ? create(channels)
        : throw new ArgumentException($"Unknown norm '{name}'; allowed: {string.Join(", ", _known.Keys)}.", nameof(name));

    private static GroupNorm Group(int channels)
    {
        var norm = GroupNorm((long)BigInteger.GreatestCommonDivisor(channels, Groups), channels);
        // TorchSharp 0.107 leaves the parameters uninitialized; PyTorch sets them to 1 and 0.
        init.ones_(norm.weight!);
        init.zeros_(norm.bias!);
        return norm;
    }
}
