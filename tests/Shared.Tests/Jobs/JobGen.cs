using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

/// <summary>Random valid jobs.</summary>
internal static class JobGen
{
    private static readonly Gen<double> _positive = Gen.Double.Select(Math.Abs).Where(x => x > 0 && double.IsFinite(x));
    private static readonly Gen<double> _nonNegative = Gen.OneOf(Gen.Const(0.0), _positive);
    private static readonly Gen<double> _belowOne = Gen.OneOf(Gen.Const(0.0), Gen.Double.Unit);
    private static readonly Gen<int> _width = Gen.Int[1, 16_384];
    private static readonly Gen<long> _natural = Gen.OneOf(Gen.Long[0, 100], Gen.Long[0, long.MaxValue]);
    private static readonly Gen<(string Topology, string Wire, string Determinism)> _reduction =
        Gen.Select(Gen.OneOfConst("star", "mesh"), Gen.OneOfConst("float32", "bf16"), Gen.OneOfConst("strict", "relaxed"));
    private static readonly Gen<int> _count = Gen.OneOf(Gen.Int[1, 100], Gen.Int[1, int.MaxValue]);

    public static Gen<ModelSpec> Model { get; } = Gen.OneOf<ModelSpec>(
        Gen.Select(Sizes(4), _width, Gen.Bool, _belowOne, (channels, hidden, norm, dropout) =>
            (ModelSpec)new CnnSpec { Channels = channels, Hidden = hidden, BatchNorm = norm, Dropout = dropout }),
        Gen.Select(Gen.Select(Gen.Int[1, 64], _width).Array[1, 4],
            Gen.OneOfConst("batch", "group", "none"), (stages, norm) => (ModelSpec)new ResNetSpec
            {
                Blocks = [.. stages.Select(stage => stage.Item1)],
                Channels = [.. stages.Select(stage => stage.Item2)],
                Norm = norm,
            }),
        Gen.Select(Sizes(16),
            Gen.OneOfConst("relu", "leaky-relu", "elu", "gelu", "silu", "tanh", "sigmoid"), _belowOne, (hidden, activation, dropout) =>
            (ModelSpec)new MlpSpec { Hidden = hidden, Activation = activation, Dropout = dropout }),
        _width.Select(width => (ModelSpec)new PluginSpec { Class = "Net", Settings = [new("width", new SettingValue.Whole(width))] }),
        Gen.Bool.Select(isResolved => (ModelSpec)new TorchScriptSpec { File = "a b.pt", Sha256 = isResolved ? new('a', 64) : null }));

    private static readonly Gen<ModelSpec> _unet =
        Gen.Select(Sizes(6), Gen.Bool, (channels, norm) => (ModelSpec)new UNetSpec { Channels = channels, BatchNorm = norm });

    private static readonly Gen<ModelSpec> _detector =
        Gen.Select(Sizes(6), Gen.Bool, (channels, norm) => (ModelSpec)new DetectorSpec { Channels = channels, BatchNorm = norm });

    private static readonly Gen<ModelSpec> _dcgan = Gen.Select(_width, _width, _belowOne, (latent, channels, dropout) =>
        (ModelSpec)new DcganSpec { Latent = latent, Channels = channels, Dropout = dropout });

    public static Gen<OptimizerSpec> Optimizer { get; } = Gen.Select(_positive, _nonNegative, _nonNegative, Gen.Bool).SelectMany(
        (rate, decay, momentum, flag) => Gen.OneOf<OptimizerSpec>(
            Gen.Const((OptimizerSpec)new SgdSpec
            {
                LearningRate = rate,
                WeightDecay = decay,
                Momentum = momentum,
                Nesterov = flag && momentum > 0,
            }),
            Gen.OneOfConst<OptimizerSpec>(new RandomSearchSpec { Scale = rate }, new LocalSearchSpec { StepSize = rate }),
            Gen.Select(_belowOne, _belowOne, _positive, (beta1, beta2, epsilon) => flag
                ? (OptimizerSpec)new AdamSpec { LearningRate = rate, WeightDecay = decay, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon }
                : new AdamWSpec { LearningRate = rate, WeightDecay = decay, Beta1 = beta1, Beta2 = beta2, Epsilon = epsilon })));

    private static readonly Gen<string> _text = Gen.String[Gen.Char[' ', '\u017f'].Where(c => !char.IsControl(c)), 1, 30];

    private static Gen<DataSpec> Data(string name) =>
        Gen.Select(_text, _text, _text.Null(), Gen.Double[0.01, 0.99].Nullable(), Gen.Bool)
            .SelectMany((path, other, testPath, share, flag) =>
            {
                double? test = testPath is null ? share : null;
                var (testOther, skips) = (testPath is null ? null : other, flag);
                return name switch
                {
                    "csv" => Gen
                        .Select(Column(flag), Column(flag).Array[0, 5], Column(flag).Array[0, 3], Gen.OneOfConst(",", ";", "|", "\t"))
                        .Select((target, columns, oneHot, separator) => (DataSpec)new CsvData
                        {
                            Path = path,
                            TestPath = testPath,
                            Test = test,
                            SkipsBadSamples = skips,
                            Header = flag,
                            Separator = separator,
                            Target = target,
                            Columns = [.. columns],
                            OneHot = [.. oneHot],
                        }),
                    "folder" => Gen.Int[1, 1024].Array[2].Select(size => (DataSpec)new FolderData
                    {
                        Path = path,
                        TestPath = testPath,
                        Test = test,
                        SkipsBadSamples = skips,
                        Size = [.. size],
                        Grey = flag,
                    }),
                    "idx" => Gen.Const((DataSpec)new IdxData
                    {
                        Path = path,
                        Labels = other,
                        TestPath = testPath,
                        TestLabels = testOther,
                        Test = test,
                    }),
                    "npy" => Gen.Const((DataSpec)new NpyData
                    {
                        Path = path,
                        Targets = other,
                        TestPath = testPath,
                        TestTargets = testOther,
                        Test = test,
                        SkipsBadSamples = skips,
                    }),
                    _ => Gen.Const((DataSpec)new KnownData(name)),
                };
            });

    private static Gen<ColumnRef> Column(bool hasHeader) => hasHeader
        ? Gen.OneOf(Gen.Int[1, 9].Select(number => new ColumnRef(null, number)), _text.Select(name => new ColumnRef(name, 0)))
        : Gen.Int[1, 9].Select(number => new ColumnRef(null, number));

    private static Gen<AugmentSpec> Augment { get; } = Gen.Select(Gen.Bool, Gen.Int[0, 64], Gen.Int[0, 64], (flip, crop, cutout) =>
        new AugmentSpec { Flip = flip, Crop = crop, Cutout = cutout });

    private static Gen<(TaskKind Task, DataSpec Data, string Loss, ModelSpec Model, AugmentSpec Augment)> Problem =>
        from task in Gen.OneOfConst([.. TaskKind.All])
        from data in Gen.OneOfConst([.. task.Data]).SelectMany(Data)
        from loss in Gen.OneOfConst([.. task.Losses])
        from model in ModelFor(task, data.Name)
        from augment in task == TaskKind.Classification && TaskKind.IsImages(data.Name) ? Augment : Gen.Const(new AugmentSpec())
        select (task, data, loss, model, augment);

    private static Gen<ModelSpec> ModelFor(TaskKind task, string data) =>
        task == TaskKind.Segmentation ? _unet
        : task == TaskKind.Detection ? _detector
        : task == TaskKind.Generation ? _dcgan
        : TaskKind.MayBeImages(data) ? Model
        : Model.Where(model => model is MlpSpec or PluginSpec or TorchScriptSpec);

    public static Gen<ScheduleSpec> Schedule { get; } = ScheduleWithin(_natural);

    public static Gen<Job> Job { get; } =
        Gen.Select(Problem, Optimizer, Schedule, _reduction).SelectMany((problem, optimizer, schedule, reduction) =>
        Gen.Select(_natural, _count, _count.Nullable(), Gen.Int[1, 256], _positive.Nullable())
            .SelectMany((seed, epochs, batch, threads, clipNorm) =>
        Gen.Select(Gen.Int[1, Math.Min(4096, batch ?? 4096)], _natural, Gen.Int[1, 1000], Gen.Enum<AutoSize>())
            .Select((microBatches, every, keep, auto) => LeftOpen(new Job
            {
                Task = problem.Task.Name,
                PluginTask = problem.Task == TaskKind.Plugin ? new() { Class = "My.Task", Metric = "mean_margin" } : null,
                Data = problem.Data,
                Loss = problem.Loss,
                Model = problem.Model,
                Augment = problem.Augment,
                Seed = seed,
                Epochs = epochs,
                Batch = batch,
                MicroBatches = microBatches,
                Threads = threads,
                Optimizer = optimizer,
                Schedule = optimizer is SearchSpec ? new ConstantSpec() : schedule,
                ClipNorm = optimizer is SearchSpec ? null : clipNorm,
                Checkpoint = new() { EverySteps = every, Keep = keep },
                Topology = reduction.Topology,
                Wire = reduction.Wire,
                Determinism = reduction.Determinism,
            }, auto))));

    /// <summary>A size that is left open has the number that the reader sets.</summary>
    private static Job LeftOpen(Job job, AutoSize auto) => (job.IsRelaxed ? AutoSize.None : auto) switch
    {
        AutoSize.Batch => job with { Auto = auto, Batch = null },
        AutoSize.MicroBatches => job with { Auto = auto, MicroBatches = job.Batch is { } samples ? Math.Min(8, samples) : 64 },
        _ => job,
    };

    /// <summary>Schedules whose warm-up is one of <paramref name="warmup"/>.</summary>
    public static Gen<ScheduleSpec> ScheduleWithin(Gen<long> warmup) => Gen.OneOf<ScheduleSpec>(
        warmup.Select(steps => (ScheduleSpec)new ConstantSpec { WarmupSteps = steps }),
        Gen.Select(warmup, _count, Gen.Double.Unit.Select(x => 1 - x), (steps, every, factor) =>
            (ScheduleSpec)new StepSpec { WarmupSteps = steps, EveryEpochs = every, Factor = factor }),
        warmup.Select(steps => (ScheduleSpec)new CosineSpec { WarmupSteps = steps }));

    private static Gen<ValueList<int>> Sizes(int maxCount) =>
        _width.Array[1, maxCount].Select(sizes => ValueList.Create<int>(sizes));
}
