using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A small one-stage detector: stages of two convolutions each, the image halved between them, and a convolution 1×1 that gives what a
/// <see cref="BoxGrid"/> takes: so many cells as the last stage has pixels.
/// </summary>
/// <remarks>
/// Input: float32 [samples, inputChannels, side, side]; output: float32 [samples, 5 + classes, cells, cells]. The state_dict has the names
/// and the order of a PyTorch module with the attributes <c>stage1, stage2, …, head</c>.
/// </remarks>
internal sealed class Detector : Module<Tensor, Tensor>
{
    /// <summary>At first, a cell holds a thing with this probability: else the many empty ones are all there is to learn (Lin et al. 2017, "Focal Loss", section 4.1).</summary>
    private const double Prior = 0.03;

    private readonly ConvolutionBlock[] _stages;
    private readonly Conv2d _head;

    /// <summary>Builds the layers, with weights drawn from torch's default generator as PyTorch draws them.</summary>
    /// <param name="inputChannels">Channels of the image, at least 1.</param>
    /// <param name="side">Rows and columns of the image; a multiple of 2 to the power of the number of stages less one.</param>
    /// <param name="classes">Classes to tell apart, at least 1.</param>
    /// <param name="channels">Channels of each stage, in order, each at least 1.</param>
    /// <param name="batchNorm">Whether a batch-norm follows each convolution of a stage.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the image cannot be halved so often.</exception>
    public Detector(int inputChannels, int side, int classes, IReadOnlyList<int> channels, bool batchNorm)
        : base(nameof(Detector))
    {
        ArgumentNullException.ThrowIfNull(channels);
        ModelArguments.Halvable(side, side, ModelArguments.Positive(channels.Count) - 1);
        var inputs = ModelArguments.Positive(inputChannels);
        _stages = new ConvolutionBlock[channels.Count];
        for (var stage = 0; stage < channels.Count; stage++)
        {
            _stages[stage] = new(inputs, inputs = ModelArguments.Positive(channels[stage], nameof(channels)), batchNorm);
            register_module($"stage{stage + 1}", _stages[stage]);
        }
        _head = Conv2d(inputs, BoxGrid.FirstClass + ModelArguments.Positive(classes), kernel_size: 1);
        ExpectFew();
        register_module("head", _head);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _stages[0].call(input);
        foreach (var stage in _stages[1..]) x = stage.call(functional.max_pool2d(x, 2));
        return _head.call(x).MoveToOuterDisposeScope();
    }

    private void ExpectFew()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _head.bias!.narrow(0, 0, 1).fill_(-Math.Log((1 - Prior) / Prior));
    }
}
