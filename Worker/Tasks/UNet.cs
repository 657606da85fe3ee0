using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A U-Net (Ronneberger, Fischer and Brox 2015): levels of two convolutions each, halving the image on the way down; on the way up, what the
/// level below gives is enlarged and put beside what the same level gave on the way down; at the top, a convolution 1×1 gives a logit for
/// each class and pixel. Its convolutions are padded, so that the image keeps its size.
/// </summary>
/// <remarks>
/// Input: float32 [samples, inputChannels, height, width]; output: logits, float32 [samples, classes, height, width]. The state_dict has the
/// names and the order of a PyTorch module with the attributes <c>down1, down2, …, grow1, up1, grow2, up2, …, output</c>, the way up
/// numbered from the top.
/// </remarks>
internal sealed class UNet : Module<Tensor, Tensor>
{
    private readonly ConvolutionBlock[] _down;
    private readonly (ConvTranspose2d Grow, ConvolutionBlock Block)[] _up;
    private readonly Conv2d _output;

    /// <summary>Builds the layers, with weights drawn from torch's default generator as PyTorch draws them.</summary>
    /// <param name="inputChannels">Channels of the image, at least 1.</param>
    /// <param name="height">Rows of the image; a multiple of 2 to the power of the number of levels less one.</param>
    /// <param name="width">Columns of the image; likewise.</param>
    /// <param name="classes">Classes to tell apart, at least 1.</param>
    /// <param name="channels">Channels of each level, from the top down, each at least 1.</param>
    /// <param name="batchNorm">Whether a batch-norm follows each convolution of a level.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the image cannot be halved so often.</exception>
    public UNet(int inputChannels, int height, int width, int classes, IReadOnlyList<int> channels, bool batchNorm)
        : base(nameof(UNet))
    {
        ArgumentNullException.ThrowIfNull(channels);
        ModelArguments.Halvable(height, width, ModelArguments.Positive(channels.Count) - 1);
        var inputs = ModelArguments.Positive(inputChannels);
        _down = new ConvolutionBlock[channels.Count];
        for (var level = 0; level < channels.Count; level++)
        {
            _down[level] = new(inputs, inputs = ModelArguments.Positive(channels[level], nameof(channels)), batchNorm);
            register_module($"down{level + 1}", _down[level]);
        }
        _up = new (ConvTranspose2d, ConvolutionBlock)[channels.Count - 1];
        for (var level = 0; level < _up.Length; level++)
        {
            _up[level] = (ConvTranspose2d(channels[level + 1], channels[level], kernel_size: 2, stride: 2), new(2 * channels[level], channels[level], batchNorm));
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
