using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>
/// Every key of a job file, in canonical order, each with its default and what is allowed. These functions both read and write,
/// depending on the <see cref="Fields"/> they are given: a new key is one line here, a new kind of model one function and one row.
/// </summary>
internal static class JobKeys
{
    private const int MaxWidth = 16_384;
    private const int MaxMicroBatches = Jobs.Job.MaxMicroBatches;
    private const string AutoWord = Jobs.Job.AutoWord;
    private const string ForImagesAlone = "only images that are classified are augmented";

    /// <summary>With 60,000 samples, a worker then computes fewer than 1,000 at a time.</summary>
    private const int MicroBatchesOfAll = 64;

    private static readonly Leaf<double> _positive = Number("greater than 0", x => x > 0);
    private static readonly Leaf<double> _nonNegative = Number("of at least 0", x => x >= 0);
    private static readonly Leaf<double> _belowOne = Number("from 0 to below 1", x => x is >= 0 and < 1);
    private static readonly Leaf<int> _width = Whole(1, MaxWidth);

    private static readonly Leaf<Amount> _batch = OrWords(Whole(1, int.MaxValue), Jobs.Job.All, AutoWord);
    private static readonly Amount _auto = new(null, AutoWord);
    private static readonly Leaf<string> _strictAlone = OneOf("strict").Because("a share that is computed in one pass is as large as the number of workers makes it");

    private static readonly Choice<ModelSpec> _models = new(
        Kind<ModelSpec>.Of<CnnSpec>("cnn", Cnn),
        Kind<ModelSpec>.Of<ResNetSpec>("resnet", ResNet),
        Kind<ModelSpec>.Of<MlpSpec>("mlp", Mlp),
        PluginKeys.Model,
        PluginKeys.TorchScript);

    private static readonly Choice<ModelSpec> _tableModels = new(
        Kind<ModelSpec>.Of<MlpSpec>("mlp", Mlp),
        PluginKeys.Model,
        PluginKeys.TorchScript);

    private static readonly TaskChoice _tasks = new();

    private static readonly Choice<ModelSpec> _segmentationModels = new(
        Kind<ModelSpec>.Of<UNetSpec>("unet", UNet));

    private static readonly Choice<ModelSpec> _detectionModels = new(
        Kind<ModelSpec>.Of<DetectorSpec>("detector", Detector));

    private static readonly Choice<ModelSpec> _generationModels = new(
        Kind<ModelSpec>.Of<DcganSpec>("dcgan", Dcgan));

    private static readonly Choice<OptimizerSpec> _optimizers = new(
        Kind<OptimizerSpec>.Of<SgdSpec>("sgd", Sgd),
        Kind<OptimizerSpec>.Of<AdamSpec>("adam", Adam),
        Kind<OptimizerSpec>.Of<AdamWSpec>("adamw", Adam),
        Kind<OptimizerSpec>.Of<RandomSearchSpec>("random-search", (f, search) => search with { Scale = f.Value("scale", search.Scale, _positive) }),
        Kind<OptimizerSpec>.Of<LocalSearchSpec>("local-search", (f, search) => search with { StepSize = f.Value("step-size", search.StepSize, _positive) }));

    private static readonly Choice<ScheduleSpec> _schedules = new(
        Kind<ScheduleSpec>.Of<ConstantSpec>("constant", Warmup),
        Kind<ScheduleSpec>.Of<StepSpec>("step", Step),
        Kind<ScheduleSpec>.Of<CosineSpec>("cosine", Warmup));

    private static readonly Section<AugmentSpec> _augment = Augment(Flag, Whole(0, AugmentSpec.MaxPixels));

    private static readonly Section<AugmentSpec> _noAugment = Augment(Off(ForImagesAlone), Zero(ForImagesAlone));

    private const string NoRate = "a search has no learning rate";
    private const string NoGradient = "a search has no gradient";

    private static readonly Choice<ScheduleSpec> _noSchedule = new(NoRate, Kind<ScheduleSpec>.Of<ConstantSpec>("constant", (f, schedule) =>
        schedule with { WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0L, 0L).Because(NoRate)) }));

    private static readonly Section<CheckpointSpec> _checkpoint = new(new(), (f, checkpoint) => checkpoint with
    {
        EverySteps = f.Value("every-steps", checkpoint.EverySteps, Whole(0, long.MaxValue)),
        Keep = f.Value("keep", checkpoint.Keep, Whole(1, 1000)),
    });

    /// <summary>The keys of a whole job; <paramref name="job"/> is the one to write, null when reading.</summary>
    public static Job Job(Fields f, Job? job)
    {
        Amount batch, microBatches;
        DataSpec data;
        OptimizerSpec optimizer;
        var task = f.Required("task", job is null ? null : new(job.Task, job.PluginTask), _tasks);
        // Where the keys alone are asked for, there is none.
        var kind = TaskKind.Find(task?.Name) ?? TaskKind.Classification;
        return new()
        {
            Task = kind.Name,
            PluginTask = task?.Plugin,
            Data = data = f.Required("data", job?.Data, DataKeys.Of(kind)),
            Loss = f.Value("loss", job?.Loss ?? kind.Losses[0], OneOf([.. kind.Losses])),
            Model = f.Required("model", job?.Model, ModelsFor(kind, data?.Name)),
            Augment = f.Value("augment", job?.Augment ?? new(), kind == TaskKind.Classification && TaskKind.IsImages(data?.Name) ? _augment : _noAugment),
            Seed = f.Value("seed", job?.Seed ?? 1, Whole(0, long.MaxValue)),
            Epochs = f.Required("epochs", job?.Epochs ?? 0, Whole(0, int.MaxValue)),
            Batch = (batch = f.Required("batch", BatchOf(job), _batch)).Number,
            MicroBatches = (microBatches = f.Value("micro-batches", job is { Auto: AutoSize.MicroBatches } ? _auto : job?.MicroBatches ?? DefaultMicroBatches(batch), MicroBatchesOf(batch)))
                .Number ?? DefaultMicroBatches(batch),
            Auto = batch.Word == AutoWord ? AutoSize.Batch : microBatches.Word == AutoWord ? AutoSize.MicroBatches : AutoSize.None,
            Threads = f.Value("threads", job?.Threads ?? 1, Whole(1, 256)),
            Optimizer = optimizer = f.Required("optimizer", job?.Optimizer, _optimizers),
            Schedule = f.Value("schedule", job?.Schedule ?? new ConstantSpec(), optimizer is SearchSpec ? _noSchedule : _schedules),
            ClipNorm = f.Value("clip-norm", job?.ClipNorm, optimizer is SearchSpec ? None<double>(NoGradient) : OrNull(_positive)),
            Checkpoint = f.Value("checkpoint", job?.Checkpoint ?? new(), _checkpoint),
            Topology = f.Value("topology", job?.Topology ?? "mesh", OneOf("star", "mesh")),
            Wire = f.Value("wire", job?.Wire ?? "float32", OneOf("float32", "bf16")),
            Determinism = f.Value("determinism", job?.Determinism ?? "strict", batch.Word == AutoWord || microBatches.Word == AutoWord ? _strictAlone : OneOf("strict", "relaxed")),
        };
    }

    private static Amount BatchOf(Job? job) => job?.Auto == AutoSize.Batch ? _auto : job?.Batch ?? new Amount(null, Jobs.Job.All);

    private static int DefaultMicroBatches(Amount batch) => batch.Number is { } samples ? Math.Min(8, samples) : batch.Word == AutoWord ? 8 : MicroBatchesOfAll;

    private static Leaf<Amount> MicroBatchesOf(Amount batch) => batch switch
    {
        { Word: AutoWord } => OrWords(Whole(1, MaxMicroBatches)),
        { Number: { } most and < MaxMicroBatches } => OrWords(Whole(1, most, "the batch"), AutoWord),
        _ => OrWords(Whole(1, MaxMicroBatches), AutoWord),
    };

    private static Choice<ModelSpec> ModelsFor(TaskKind kind, string? data) => kind switch
    {
        _ when kind == TaskKind.Segmentation => _segmentationModels,
        _ when kind == TaskKind.Detection => _detectionModels,
        _ when kind == TaskKind.Generation => _generationModels,
        _ => TaskKind.MayBeImages(data) ? _models : _tableModels,
    };

    private static DcganSpec Dcgan(Fields f, DcganSpec model) => model with
    {
        Latent = f.Value("latent", model.Latent, _width),
        Channels = f.Value("channels", model.Channels, _width),
        Dropout = f.Value("dropout", model.Dropout, _belowOne),
    };

    private static CnnSpec Cnn(Fields f, CnnSpec model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(_width, 1, 4)),
        Hidden = f.Value("hidden", model.Hidden, _width),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
        Dropout = f.Value("dropout", model.Dropout, _belowOne),
    };

    private static ResNetSpec ResNet(Fields f, ResNetSpec model)
    {
        var blocks = f.Value("blocks", model.Blocks, ListOf(Whole(1, 64), 1, 4));
        var channels = ListOf(_width, blocks.Count, blocks.Count);
        return model with
        {
            Blocks = blocks,
            // There is a default for as many stages as the default has.
            Channels = blocks.Count == model.Channels.Count ? f.Value("channels", model.Channels, channels) : f.Required("channels", model.Channels, channels),
            Norm = f.Value("norm", model.Norm, OneOf("batch", "group", "none")),
        };
    }

    private static MlpSpec Mlp(Fields f, MlpSpec model) => model with
    {
        Hidden = f.Value("hidden", model.Hidden, ListOf(_width, 1, 16)),
        Activation = f.Value("activation", model.Activation, OneOf("relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid")),
        Dropout = f.Value("dropout", model.Dropout, _belowOne),
    };

    private static UNetSpec UNet(Fields f, UNetSpec model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(_width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    };

    private static DetectorSpec Detector(Fields f, DetectorSpec model) => model with
    {
        Channels = f.Value("channels", model.Channels, ListOf(_width, 1, 6)),
        BatchNorm = f.Value("batch-norm", model.BatchNorm, Flag),
    };

    private static SgdSpec Sgd(Fields f, SgdSpec optimizer)
    {
        double momentum;
        return optimizer with
        {
            LearningRate = f.Value("learning-rate", optimizer.LearningRate, _positive),
            Momentum = momentum = f.Value("momentum", optimizer.Momentum, _nonNegative),
            Nesterov = f.Value("nesterov", optimizer.Nesterov, momentum > 0 ? Flag : Off("momentum is 0")),
            WeightDecay = f.Value("weight-decay", optimizer.WeightDecay, _nonNegative),
        };
    }

    private static T Adam<T>(Fields f, T optimizer) where T : AdamFamilySpec => optimizer with
    {
        LearningRate = f.Value("learning-rate", optimizer.LearningRate, _positive),
        Beta1 = f.Value("beta1", optimizer.Beta1, _belowOne),
        Beta2 = f.Value("beta2", optimizer.Beta2, _belowOne),
        Epsilon = f.Value("epsilon", optimizer.Epsilon, _positive),
        WeightDecay = f.Value("weight-decay", optimizer.WeightDecay, _nonNegative),
    };

    private static Section<AugmentSpec> Augment(Leaf<bool> flag, Leaf<int> pixels) => new(new(), (f, augment) => augment with
    {
        Flip = f.Value("flip", augment.Flip, flag),
        Crop = f.Value("crop", augment.Crop, pixels),
        Cutout = f.Value("cutout", augment.Cutout, pixels),
    });

    private static StepSpec Step(Fields f, StepSpec schedule) => Warmup(f, schedule) with
    {
        EveryEpochs = f.Value("every-epochs", schedule.EveryEpochs, Whole(1, int.MaxValue)),
        Factor = f.Value("factor", schedule.Factor, Number("greater than 0, at most 1", x => x is > 0 and <= 1)),
    };

    private static T Warmup<T>(Fields f, T schedule) where T : ScheduleSpec => schedule with
    {
        WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0, long.MaxValue)),
    };
}
