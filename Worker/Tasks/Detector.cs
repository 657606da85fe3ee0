using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A small one-stage detector: stages of two convolutions each, with a max-pool between stages, and a convolution 1×1 that outputs a
/// <see cref="BoxGrid"/> with one cell for each pixel of the last stage.
/// Input: float32 [samples, inputChannels, side, side]; output: float32 [samples, 5 + classes, cells, cells]. The state_dict has the names
/// and the order of a PyTorch module with the attributes <c>stage1, stage2, …, head</c>.
/// </summary>
internal sealed class Detector : Module<Tensor, Tensor>
{
    /// <summary>The initial probability of an object: empty cells are far more frequent (Lin et al. 2017, "Focal Loss", 4.1).</summary>
    private const double Prior = 0.03;

    private readonly Sequential[] _stages;
    private readonly Conv2d _head;

    /// <param name="side">Rows and columns of the image: a multiple of 2 to the power of (stages - 1).</param>
    /// <exception cref="ArgumentException">A value is out of range, or the image cannot be halved that often.</exception>
    public Detector(int inputChannels, int side, int classes, IReadOnlyList<int> channels, bool batchNorm)
        : base(nameof(Detector))
    {
        ModelArguments.Halvable(side, side, ModelArguments.Positive(channels.Count) - 1);
        var inputs = ModelArguments.Positive(inputChannels);
        _stages = new Sequential[channels.Count];
        for (var stage = 0; stage < channels.Count; stage++)
        {
            var outputs = ModelArguments.Positive(channels[stage], nameof(channels));
            _stages[stage] = ConvolutionBlock.Create(inputs, outputs, batchNorm);
            inputs = outputs;
            register_module($"stage{stage + 1}", _stages[stage]);
        }
        _head = Conv2d(inputs, BoxGrid.FirstClass + ModelArguments.Positive(classes), kernel_size: 1);
        SetPrior();
        register_module("head", _head);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _stages[0].call(input);
        foreach (var stage in _stages[1..]) x = stage.call(functional.max_pool2d(x, 2));
        return _head.call(x).MoveToOuterDisposeScope();
    }

    private void SetPrior()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _head.bias!.narrow(0, 0, 1).fill_(-Math.Log((1 - Prior) / Prior));
    }
}
