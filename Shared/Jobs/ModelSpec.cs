using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>The model to train: its architecture, without the input shape and the number of classes, which the data set gives.</summary>
internal abstract record ModelSpec
{
    /// <summary>The model at a glance, for people.</summary>
    public abstract string Summarize();

    protected static string Dropped(double share) => share > 0 ? FormattableString.Invariant($", dropout {share}") : "";
}

/// <summary>A convolutional network for images: convolution stages, then one hidden dense layer, then the classes.</summary>
internal sealed record CnnSpec : ModelSpec
{
    /// <summary>Output channels of each convolution stage, first to last; 1 to 4 stages of 1 to 16384 channels.</summary>
    public ValueList<int> Channels { get; init; } = [32, 64];

    /// <summary>Units of the hidden dense layer; 1 to 16384.</summary>
    public int Hidden { get; init; } = 128;

    /// <summary>Whether batch normalization follows each convolution (Ioffe and Szegedy 2015).</summary>
    public bool BatchNorm { get; init; }

    /// <summary>Probability of dropping a hidden unit while training; from 0 to below 1 (Srivastava et al. 2014).</summary>
    public double Dropout { get; init; }

    public override string Summarize() => $"cnn with channels {string.Join(", ", Channels)}, hidden {Hidden}{(BatchNorm ? ", batch-norm" : "")}{Dropped(Dropout)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<CnnSpec>("cnn", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 4)),
        Hidden = f.Value("hidden", model.Hidden, Width),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
        Dropout = f.Value("dropout", model.Dropout, BelowOne),
    });
}

/// <summary>A residual network for images (He et al. 2016): a convolution, stages of basic blocks, the mean over the image, the classes.</summary>
internal sealed record ResNetSpec : ModelSpec
{
    /// <summary>Basic blocks of each stage, first to last; 1 to 4 stages of 1 to 64 blocks. Each stage but the first halves the image.</summary>
    public ValueList<int> Blocks { get; init; } = [1, 1, 1];

    /// <summary>Channels of each stage, as many as there are stages; 1 to 16384.</summary>
    public ValueList<int> Channels { get; init; } = [16, 32, 64];

    /// <summary>What follows each convolution: batch (Ioffe and Szegedy 2015), group (Wu and He 2018) or none.</summary>
    public string Norm { get; init; } = "batch";

    public override string Summarize() => $"resnet with blocks {string.Join(", ", Blocks)}, channels {string.Join(", ", Channels)}, norm {Norm}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<ResNetSpec>("resnet", (f, model) =>
    {
        var blocks = f.Value("blocks", model.Blocks, ListOf(Whole(1, 64), 1, 4));
        var channels = ListOf(Width, blocks.Count, blocks.Count);
        return model with
        {
            Blocks = blocks,
            // There is a default for as many stages as the default has.
            Channels = blocks.Count == model.Channels.Count ? f.Value("channels", model.Channels, channels) : f.Required("channels", model.Channels, channels),
            Norm = f.Value("norm", model.Norm, OneOf("batch", "group", "none")),
        };
    });
}

/// <summary>A generator of images and a discriminator that it is trained against, both convolutional (Radford et al. 2016).</summary>
internal sealed record DcganSpec : ModelSpec
{
    /// <summary>Numbers of noise that an image is made from; 1 to 16384.</summary>
    public int Latent { get; init; } = 32;

    /// <summary>Channels of the layers next to the image; those behind have twice as many; 1 to 16384.</summary>
    public int Channels { get; init; } = 32;

    /// <summary>Probability of dropping a feature of the discriminator while training; from 0 to below 1.</summary>
    public double Dropout { get; init; }

    public override string Summarize() => $"dcgan with latent {Latent}, channels {Channels}{Dropped(Dropout)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<DcganSpec>("dcgan", (f, model) => model with
    {
        Latent = f.Value("latent", model.Latent, Width),
        Channels = f.Value("channels", model.Channels, Width),
        Dropout = f.Value("dropout", model.Dropout, BelowOne),
    });
}

/// <summary>A multilayer perceptron: dense layers on the flattened sample.</summary>
internal sealed record MlpSpec : ModelSpec
{
    /// <summary>Units of each hidden layer, first to last; 1 to 16 layers of 1 to 16384 units.</summary>
    public ValueList<int> Hidden { get; init; } = [128];

    /// <summary>The function after each hidden layer: relu, leaky-relu, elu, gelu, silu, tanh or sigmoid.</summary>
    public string Activation { get; init; } = "relu";

    /// <summary>Probability of dropping a hidden unit while training; from 0 to below 1 (Srivastava et al. 2014).</summary>
    public double Dropout { get; init; }

    public override string Summarize() => $"mlp with hidden {string.Join(", ", Hidden)}, {Activation}{Dropped(Dropout)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<MlpSpec>("mlp", (f, model) => model with
    {
        Hidden = f.Value("hidden", model.Hidden, ListOf(Width, 1, 16)),
        Activation = f.Value("activation", model.Activation, OneOf("relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid")),
        Dropout = f.Value("dropout", model.Dropout, BelowOne),
    });
}

/// <summary>A U-Net, which gives something for each pixel of an image: levels on the way down, and the same ones on the way up.</summary>
internal sealed record UNetSpec : ModelSpec
{
    /// <summary>Channels of each level, from the top down, each level halving the image; 1 to 6 levels of 1 to 16384 channels.</summary>
    public ValueList<int> Channels { get; init; } = [16, 32, 64];

    /// <summary>Whether batch normalization follows each convolution of a level (Ioffe and Szegedy 2015).</summary>
    public bool BatchNorm { get; init; } = true;

    public override string Summarize() => $"unet with channels {string.Join(", ", Channels)}{(BatchNorm ? ", batch-norm" : "")}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<UNetSpec>("unet", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    });
}

/// <summary>A one-stage detector: convolution stages, whose last one gives a box for each of its pixels.</summary>
internal sealed record DetectorSpec : ModelSpec
{
    /// <summary>Channels of each stage, first to last, the image halved between them; 1 to 6 stages of 1 to 16384 channels.</summary>
    public ValueList<int> Channels { get; init; } = [16, 32, 64];

    /// <summary>Whether batch normalization follows each convolution of a stage.</summary>
    public bool BatchNorm { get; init; } = true;

    public override string Summarize() => $"detector with channels {string.Join(", ", Channels)}{(BatchNorm ? ", batch-norm" : "")}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<DetectorSpec>("detector", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    });
}
