using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>Every key of a job file, in canonical order, with its default and allowed values. These functions read or write, depending on
/// the <see cref="Fields"/> that they get. Models, optimizers and schedules bring their own keys; a new one is named here once.</summary>
internal static class JobKeys
{
    private const int MaxMicroBatches = Jobs.Job.MaxMicroBatches;
    private const string AutoWord = Jobs.Job.AutoWord;
    private const string ForImagesAlone = "only images that are classified are augmented";
    private const string NoRate = "a search has no learning rate";
    private const string NoGradient = "a search has no gradient";
    private const int MicroBatchesOfAll = 64; // With 60,000 samples, a worker then computes fewer than 1,000 at a time.

    private static readonly Leaf<Amount> _batch = OrWords(Whole(1, int.MaxValue), Jobs.Job.All, AutoWord);
    private static readonly Amount _auto = new(null, AutoWord);
    private static readonly Leaf<string> _strictAlone =
        OneOf("strict").Because("a share that is computed in one pass is as large as the number of workers makes it");

    private static readonly Choice<ModelSpec> _models =
        new(CnnSpec.Keys, ResNetSpec.Keys, MlpSpec.Keys, PluginKeys.Model, PluginKeys.TorchScript);
    private static readonly Choice<ModelSpec> _tableModels = new(MlpSpec.Keys, PluginKeys.Model, PluginKeys.TorchScript);
    private static readonly Choice<ModelSpec> _segmentationModels = new(UNetSpec.Keys);
    private static readonly Choice<ModelSpec> _detectionModels = new(DetectorSpec.Keys);
    private static readonly Choice<ModelSpec> _generationModels = new(DcganSpec.Keys);
    private static readonly TaskChoice _tasks = new();
    private static readonly Choice<OptimizerSpec> _optimizers =
        new(SgdSpec.Keys, AdamSpec.Keys, AdamWSpec.Keys, RandomSearchSpec.Keys, LocalSearchSpec.Keys);
    private static readonly Choice<ScheduleSpec> _schedules = new(ConstantSpec.Keys, StepSpec.Keys, CosineSpec.Keys);
    private static readonly Choice<ScheduleSpec> _noSchedule =
        new(NoRate, Kind<ScheduleSpec>.Of<ConstantSpec>("constant", (f, schedule) => schedule with
        {
            WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0L, 0L).Because(NoRate)),
        }));

    private static readonly Section<AugmentSpec> _augment = Augment(Flag, Whole(0, AugmentSpec.MaxPixels));
    private static readonly Section<AugmentSpec> _noAugment = Augment(Off(ForImagesAlone), Zero(ForImagesAlone));

    private static readonly Section<CheckpointSpec> _checkpoint = new(new(), (f, checkpoint) => checkpoint with
    {
        EverySteps = f.Value("every-steps", checkpoint.EverySteps, Whole(0, long.MaxValue)),
        Keep = f.Value("keep", checkpoint.Keep, Whole(1, 1000)),
    });

    /// <param name="job">The job to write; null when reading.</param>
    public static Job Job(Fields f, Job? job)
    {
        Amount batch, microBatches;
        DataSpec data;
        OptimizerSpec optimizer;
        var task = f.Required("task", job is null ? null : new(job.Task, job.PluginTask), _tasks);
        // There is no task when only the names of the keys are collected.
        var kind = TaskKind.Find(task?.Name) ?? TaskKind.Classification;
        return new()
        {
            Task = kind.Name,
            PluginTask = task?.Plugin,
            Data = data = f.Required("data", job?.Data, DataKeys.Of(kind)),
            Loss = f.Value("loss", job?.Loss ?? kind.Losses[0], OneOf([.. kind.Losses])),
            Model = f.Required("model", job?.Model, ModelsFor(kind, data?.Name)),
            Augment = f.Value("augment", job?.Augment ?? new(),
                kind == TaskKind.Classification && TaskKind.IsImages(data?.Name) ? _augment : _noAugment),
            Seed = f.Value("seed", job?.Seed ?? 1, Whole(0, long.MaxValue)),
            Epochs = f.Required("epochs", job?.Epochs ?? 0, Whole(0, int.MaxValue)),
            Batch = (batch = f.Required("batch", BatchOf(job), _batch)).Number,
            MicroBatches = (microBatches = f.Value("micro-batches", MicroBatchesOf(job, batch), AllowedMicroBatches(batch))).Number
                ?? DefaultMicroBatches(batch),
            Auto = batch.Word == AutoWord ? AutoSize.Batch : microBatches.Word == AutoWord ? AutoSize.MicroBatches : AutoSize.None,
            Threads = f.Value("threads", job?.Threads ?? 1, Whole(1, 256)),
            Optimizer = optimizer = f.Required("optimizer", job?.Optimizer, _optimizers),
            Schedule = f.Value("schedule", job?.Schedule ?? new ConstantSpec(), optimizer is SearchSpec ? _noSchedule : _schedules),
            ClipNorm = f.Value("clip-norm", job?.ClipNorm, optimizer is SearchSpec ? Null<double?>(NoGradient) : OrNull(Positive)),
            Checkpoint = f.Value("checkpoint", job?.Checkpoint ?? new(), _checkpoint),
            Topology = f.Value("topology", job?.Topology ?? "mesh", OneOf("star", "mesh")),
            Wire = f.Value("wire", job?.Wire ?? "float32", OneOf("float32", "bf16")),
            Determinism = f.Value("determinism", job?.Determinism ?? "strict",
                batch.Word == AutoWord || microBatches.Word == AutoWord ? _strictAlone : OneOf("strict", "relaxed")),
        };
    }

    private static Amount BatchOf(Job? job) => job?.Auto == AutoSize.Batch ? _auto : job?.Batch ?? new Amount(null, Jobs.Job.All);

    private static Amount MicroBatchesOf(Job? job, Amount batch) =>
        job is { Auto: AutoSize.MicroBatches } ? _auto : job?.MicroBatches ?? DefaultMicroBatches(batch);

    private static int DefaultMicroBatches(Amount batch) =>
        batch.Number is { } samples ? Math.Min(8, samples) : batch.Word == AutoWord ? 8 : MicroBatchesOfAll;

    private static Leaf<Amount> AllowedMicroBatches(Amount batch) => batch switch
    {
        { Word: AutoWord } => OrWords(Whole(1, MaxMicroBatches)),
        { Number: { } most and < MaxMicroBatches } => OrWords(Whole(1, most, "the batch"), AutoWord),
        _ => OrWords(Whole(1, MaxMicroBatches), AutoWord),
    };

    private static Choice<ModelSpec> ModelsFor(TaskKind kind, string? data)
    {
        if (kind == TaskKind.Segmentation) return _segmentationModels;
        if (kind == TaskKind.Detection) return _detectionModels;
        if (kind == TaskKind.Generation) return _generationModels;
        return TaskKind.MayBeImages(data) ? _models : _tableModels;
    }

    private static Section<AugmentSpec> Augment(Leaf<bool> flag, Leaf<int> pixels) => new(new(), (f, augment) => augment with
    {
        Flip = f.Value("flip", augment.Flip, flag),
        Crop = f.Value("crop", augment.Crop, pixels),
        Cutout = f.Value("cutout", augment.Cutout, pixels),
    });
}
