using Distributed.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A U-Net (Ronneberger, Fischer and Brox 2015): levels of two convolutions each, with a max-pool between levels on the way down. On the
/// way up, the output of the level below is enlarged and concatenated with the same level's output on the way down. At the top, a
/// convolution 1×1 outputs a logit for each class and pixel. The convolutions are padded, so that the image keeps its size.
/// Input: float32 [samples, channels, height, width]; output: logits, float32 [samples, classes, height, width]. The state_dict has
/// the names and the order of a PyTorch module with the attributes <c>down1, down2, …, grow1, up1, …, output</c>; level 1 is the top.
/// </summary>
internal sealed class UNet : Module<Tensor, Tensor>
{
    private readonly Sequential[] _down;
    private readonly (ConvTranspose2d Grow, Sequential Block)[] _up;
    private readonly Conv2d _output;

    public UNet(UNetSpec spec, IReadOnlyList<int> shape, int classes)
        : base(nameof(UNet))
    {
        var (inputs, height, width) = ModelArguments.Image(shape);
        var channels = spec.Channels;
        ModelArguments.Halvable(height, width, ModelArguments.Positive(channels.Count) - 1);
        _down = new Sequential[channels.Count];
        for (var level = 0; level < channels.Count; level++)
        {
            _down[level] = ConvolutionBlock.Create(inputs, ModelArguments.Positive(channels[level]), spec.BatchNorm);
            inputs = channels[level];
            register_module($"down{level + 1}", _down[level]);
        }
        _up = new (ConvTranspose2d, Sequential)[channels.Count - 1];
        for (var level = 0; level < _up.Length; level++)
        {
            var grow = ConvTranspose2d(channels[level + 1], channels[level], kernel_size: 2, stride: 2);
            _up[level] = (grow, ConvolutionBlock.Create(2 * channels[level], channels[level], spec.BatchNorm));
            register_module($"grow{level + 1}", _up[level].Grow);
            register_module($"up{level + 1}", _up[level].Block);
        }
        _output = Conv2d(channels[0], ModelArguments.Positive(classes), kernel_size: 1);
        register_module("output", _output);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var levels = new Tensor[_down.Length];
        for (var level = 0; level < levels.Length; level++)
            levels[level] = _down[level].call(level == 0 ? input : functional.max_pool2d(levels[level - 1], 2));
        var x = levels[^1];
        for (var level = _up.Length - 1; level >= 0; level--)
            x = _up[level].Block.call(cat([levels[level], _up[level].Grow.call(x)], dim: 1));
        return _output.call(x).MoveToOuterDisposeScope();
    }
}
