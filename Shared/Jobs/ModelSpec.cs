using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>The architecture of a model, without the input shape and the number of classes, which the data set gives.</summary>
internal abstract record ModelSpec
{
    /// <summary>The model on one line, for people.</summary>
    public abstract string Summarize();

    protected static string Dropped(double share) => share > 0 ? FormattableString.Invariant($", dropout {share}") : "";
    protected static string Normed(bool isNormed) => isNormed ? ", batch-norm" : "";
    protected static string Listed(ValueList<int> numbers) => string.Join(", ", numbers);
}

/// <summary>A convolutional network for images: convolution stages, one hidden dense layer, the classes.</summary>
internal sealed record CnnSpec : ModelSpec
{
    public ValueList<int> Channels { get; init; } = [32, 64]; // Output channels of each convolution stage.
    public int Hidden { get; init; } = 128;
    public bool BatchNorm { get; init; }
    public double Dropout { get; init; }

    public override string Summarize() => $"cnn with channels {Listed(Channels)}, hidden {Hidden}{Normed(BatchNorm)}{Dropped(Dropout)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<CnnSpec>("cnn", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 4)),
        Hidden = f.Value("hidden", model.Hidden, Width),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
        Dropout = f.Value("dropout", model.Dropout, BelowOne),
    });
}

/// <summary>A residual network for images (He et al. 2016): a convolution, stages of basic blocks, global pooling, the classes.</summary>
internal sealed record ResNetSpec : ModelSpec
{
    public ValueList<int> Blocks { get; init; } = [1, 1, 1]; // Basic blocks of each stage. Each stage but the first halves the image.
    public ValueList<int> Channels { get; init; } = [16, 32, 64];

    public string Norm { get; init; } = "batch"; // After each convolution: batch (Ioffe and Szegedy 2015), group (Wu and He 2018) or none.

    public override string Summarize() => $"resnet with blocks {Listed(Blocks)}, channels {Listed(Channels)}, norm {Norm}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<ResNetSpec>("resnet", (f, model) =>
    {
        var blocks = f.Value("blocks", model.Blocks, ListOf(Whole(1, 64), 1, 4));
        var channels = ListOf(Width, blocks.Count, blocks.Count);
        return model with
        {
            Blocks = blocks,
            // The default has channels for its own number of stages only.
            Channels = blocks.Count == model.Channels.Count
                ? f.Value("channels", model.Channels, channels)
                : f.Required("channels", model.Channels, channels),
            Norm = f.Value("norm", model.Norm, OneOf("batch", "group", "none")),
        };
    });
}

/// <summary>A convolutional generator of images and the discriminator that it is trained against (Radford et al. 2016).</summary>
internal sealed record DcganSpec : ModelSpec
{
    public int Latent { get; init; } = 32; // Size of the noise vector from which an image is made.
    public int Channels { get; init; } = 32; // Channels of the layers next to the image; the layers behind them have twice as many.

    public double Dropout { get; init; } // Of the discriminator.

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
    public ValueList<int> Hidden { get; init; } = [128]; // Units of each hidden layer.
    public string Activation { get; init; } = "relu";
    public double Dropout { get; init; }

    public override string Summarize() => $"mlp with hidden {Listed(Hidden)}, {Activation}{Dropped(Dropout)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<MlpSpec>("mlp", (f, model) => model with
    {
        Hidden = f.Value("hidden", model.Hidden, ListOf(Width, 1, 16)),
        Activation = f.Value("activation", model.Activation, OneOf("relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid")),
        Dropout = f.Value("dropout", model.Dropout, BelowOne),
    });
}

/// <summary>A U-Net, with an output for each pixel of an image: the same levels on the way down and on the way up.</summary>
internal sealed record UNetSpec : ModelSpec
{
    public ValueList<int> Channels { get; init; } = [16, 32, 64]; // Channels of each level, from the top down; each level halves the image.
    public bool BatchNorm { get; init; } = true;

    public override string Summarize() => $"unet with channels {Listed(Channels)}{Normed(BatchNorm)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<UNetSpec>("unet", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    });
}

/// <summary>A one-stage detector: convolution stages, of which the last gives one box for each of its pixels.</summary>
internal sealed record DetectorSpec : ModelSpec
{
    public ValueList<int> Channels { get; init; } = [16, 32, 64]; // Channels of each stage; the image is halved between stages.
    public bool BatchNorm { get; init; } = true;

    public override string Summarize() => $"detector with channels {Listed(Channels)}{Normed(BatchNorm)}";

    internal static Kind<ModelSpec> Keys { get; } = Kind<ModelSpec>.Of<DetectorSpec>("detector", (f, model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(Width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    });
}
