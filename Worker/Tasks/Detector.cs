using Distributed.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A small one-stage detector: stages of two convolutions each, with a max-pool between stages, and a convolution 1×1 that outputs a
/// <see cref="BoxGrid"/> with one cell for each pixel of the last stage.
/// Input: float32 [samples, channels, side, side]; output: float32 [samples, 5 + classes, cells, cells]. The state_dict has the names
/// and the order of a PyTorch module with the attributes <c>stage1, stage2, …, head</c>.
/// </summary>
internal sealed class Detector : Module<Tensor, Tensor>
{
    /// <summary>The initial probability of an object: empty cells are far more frequent (Lin et al. 2017, "Focal Loss", 4.1).</summary>
    private const double Prior = 0.03;

    private readonly Sequential[] _stages;
    private readonly Conv2d _head;

    public Detector(DetectorSpec spec, IReadOnlyList<int> shape, int classes)
        : base(nameof(Detector))
    {
        var (channels, height, width) = ModelArguments.Image(shape);
        ModelArguments.Halvable(height, width, ModelArguments.Positive(spec.Channels.Count) - 1);
        _stages = new Sequential[spec.Channels.Count];
        for (var stage = 0; stage < _stages.Length; stage++)
        {
            _stages[stage] = ConvolutionBlock.Create(channels, ModelArguments.Positive(spec.Channels[stage]), spec.BatchNorm);
            channels = spec.Channels[stage];
            register_module($"stage{stage + 1}", _stages[stage]);
        }
        _head = Conv2d(channels, BoxGrid.FirstClass + ModelArguments.Positive(classes), kernel_size: 1);
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
