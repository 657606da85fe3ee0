using Distributed.Jobs;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Distributed.Worker.Tasks;

/// <summary>
/// A convolutional generative adversarial network (Goodfellow et al. 2014; Radford et al. 2016), conditioned on the class (Mirza and
/// Osindero 2014). Calling the model calls the generator.
/// Input: float32 [samples, latent + classes], noise and the one-hot class; output: images, float32 [samples, channels, height, width],
/// each value 0 to 1.
/// </summary>
internal sealed class Dcgan : Module<Tensor, Tensor>
{
    public Dcgan(DcganSpec spec, IReadOnlyList<int> shape, int classes)
        : base(nameof(Dcgan))
    {
        var (channels, height, width) = ModelArguments.Image(shape);
        if (height % 4 != 0 || width % 4 != 0)
            throw new ArgumentException($"The images are {height}x{width}; a dcgan needs sides that are multiples of 4.");
        Latent = ModelArguments.Positive(spec.Latent);
        var (filters, inputs) = (ModelArguments.Positive(spec.Channels), Latent + ModelArguments.Positive(classes));
        Generator = new(channels, height / 4, width / 4, inputs, filters);
        Discriminator = new(channels, height / 4, width / 4, classes, filters, ModelArguments.Probability(spec.Dropout));
        register_module("generator", Generator);
        register_module("discriminator", Discriminator);
    }

    public int Latent { get; }
    public DcganGenerator Generator { get; }
    public DcganDiscriminator Discriminator { get; }

    public override Tensor forward(Tensor input) => Generator.call(input);
}

/// <summary>From noise and class to an image: a linear layer and two transposed convolutions, each of which doubles the sides.</summary>
internal sealed class DcganGenerator : Module<Tensor, Tensor>
{
    private readonly Linear _start;
    private readonly BatchNorm2d _norm1, _norm2;
    private readonly ConvTranspose2d _up1, _up2;
    private readonly long[] _shape;

    internal DcganGenerator(int channels, int rows, int columns, int inputs, int width)
        : base(nameof(DcganGenerator))
    {
        _shape = [-1, 2 * width, rows, columns];
        _start = Linear(inputs, (long)2 * width * rows * columns);
        _norm1 = BatchNorm2d(2 * width);
        _up1 = ConvTranspose2d(2 * width, width, kernel_size: 4, stride: 2, padding: 1);
        _norm2 = BatchNorm2d(width);
        _up2 = ConvTranspose2d(width, channels, kernel_size: 4, stride: 2, padding: 1);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = functional.relu(_norm1.call(_start.call(input).view(_shape)));
        x = functional.relu(_norm2.call(_up1.call(x)));
        return _up2.call(x).sigmoid().MoveToOuterDisposeScope();
    }
}

/// <summary>
/// The logit that an image of a class is real: two convolutions, each of which halves the sides, and a projection of the features onto the
/// class (Miyato and Koyama 2018).
/// </summary>
internal sealed class DcganDiscriminator : Module<Tensor, Tensor, Tensor>
{
    private const double Slope = 0.2;
    private readonly Conv2d _down1, _down2;
    private readonly Linear _any, _each;
    private readonly double _dropout;

    internal DcganDiscriminator(int channels, int rows, int columns, int classes, int width, double dropout)
        : base(nameof(DcganDiscriminator))
    {
        var features = (long)2 * width * rows * columns;
        _dropout = dropout;
        _down1 = Conv2d(channels, width, kernel_size: 4, stride: 2, padding: 1);
        _down2 = Conv2d(width, 2 * width, kernel_size: 4, stride: 2, padding: 1);
        _any = Linear(features, 1);
        _each = Linear(features, classes, hasBias: false);
        RegisterComponents();
    }

    /// <param name="classes">Float32 [samples, classes], one-hot.</param>
    public override Tensor forward(Tensor images, Tensor classes)
    {
        using var scope = NewDisposeScope();
        var features = Features(_down2.call(Active(_down1.call(images))));
        return (_any.call(features).flatten() + (_each.call(features) * classes).sum(1)).MoveToOuterDisposeScope();
    }

    /// <summary>The same with detached weights: the gradient reaches the images only.</summary>
    public Tensor Frozen(Tensor images, Tensor classes)
    {
        using var scope = NewDisposeScope();
        var features = Features(Convolve(_down2, Active(Convolve(_down1, images))));
        var any = functional.linear(features, _any.weight!.detach(), _any.bias!.detach());
        var each = functional.linear(features, _each.weight!.detach());
        return (any.flatten() + (each * classes).sum(1)).MoveToOuterDisposeScope();
    }

    private static Tensor Active(Tensor x) => functional.leaky_relu(x, Slope);

    private static Tensor Convolve(Conv2d layer, Tensor x) =>
        functional.conv2d(x, layer.weight!.detach(), layer.bias!.detach(), strides: [2, 2], padding: [1, 1]);

    private Tensor Features(Tensor x)
    {
        var features = Active(x).flatten(1);
        return _dropout > 0 ? functional.dropout(features, _dropout, training) : features;
    }
}
