using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class JobFileTests
{
    private const string Shortest = "{task: classification, data: digits, model: cnn, epochs: 3, batch: 64, optimizer: sgd}";

    private const string Canonical = """
        task: classification
        data: digits
        loss: cross-entropy
        model:
          name: cnn
          channels: [32, 64]
          hidden: 128
          batch-norm: true
          dropout: 0.1
        augment:
          flip: false
          crop: 0
          cutout: 0
        seed: 1
        epochs: 15
        batch: 64
        micro-batches: 8
        threads: 1
        optimizer:
          name: sgd
          learning-rate: 0.05
          momentum: 0.9
          nesterov: false
          weight-decay: 0
        schedule:
          name: cosine
          warmup-steps: 10
        clip-norm: 1
        checkpoint:
          every-steps: 500
          keep: 3
        topology: mesh
        wire: float32
        determinism: strict

        """;

    [Fact]
    public void A_formatted_job_parses_to_an_equal_one() =>
        JobGen.Job.Sample(job => Assert.Equal(job, JobFile.Parse(JobFile.Format(job), "formatted")));

    [Fact]
    public void The_canonical_text_and_the_fingerprint_are_functions_of_the_value() => JobGen.Job.Sample(job =>
    {
        var same = JobFile.Parse(JobFile.Format(job), "formatted");
        Assert.Equal(JobFile.Format(job), JobFile.Format(same));
        Assert.Equal(JobFile.Fingerprint(job), JobFile.Fingerprint(same));
    });

    [Fact]
    public void Unequal_jobs_have_other_texts_and_fingerprints() => Gen.Select(JobGen.Job, JobGen.Job).Sample((a, b) =>
    {
        Assert.Equal(a == b, JobFile.Format(a) == JobFile.Format(b));
        Assert.Equal(a == b, JobFile.Fingerprint(a) == JobFile.Fingerprint(b));
    });

    [Fact]
    public void A_negative_zero_is_written_as_the_zero_it_equals()
    {
        var job = Job.Default with { Optimizer = new SgdSpec { WeightDecay = -0.0 } };
        Assert.Equal(JobFile.Fingerprint(job with { Optimizer = new SgdSpec() }), JobFile.Fingerprint(job));
    }

    [Fact]
    public void The_canonical_text_has_every_key_in_order() =>
        Assert.Equal(Canonical, JobFile.Format(JobFile.Parse(Canonical, "canonical")));

    // Processes of two builds refuse each other's frames if this changes.
    [Fact]
    public void The_fingerprint_is_stable() =>
        Assert.Equal(4026254709314363447UL, JobFile.Fingerprint(JobFile.Parse(Canonical, "canonical")));

    [Fact]
    public void Absent_keys_take_their_defaults() => Assert.Equal(
        new Job
        {
            Task = "classification",
            Data = new KnownData("digits"),
            Model = new CnnSpec { Channels = [32, 64], Hidden = 128, BatchNorm = false, Dropout = 0 },
            Augment = new AugmentSpec { Flip = false, Crop = 0, Cutout = 0 },
            Seed = 1,
            Epochs = 3,
            Batch = 64,
            MicroBatches = 8,
            Threads = 1,
            Optimizer = new SgdSpec { LearningRate = 0.01, Momentum = 0, Nesterov = false, WeightDecay = 0 },
            Schedule = new ConstantSpec { WarmupSteps = 0 },
            ClipNorm = null,
            Topology = "mesh",
            Wire = "float32",
            Determinism = "strict",
        },
        JobFile.Parse(Shortest, "shortest"));

    [Fact]
    public void Absent_micro_batches_are_never_more_than_the_batch() => Gen.Int[1, 100].Sample(batch =>
        Assert.Equal(Math.Min(8, batch), JobFile.Parse(Shortest, "shortest", [$"batch={batch}"]).MicroBatches));

    [Fact]
    public void A_batch_may_be_the_whole_training_set()
    {
        var job = JobFile.Parse(Shortest, "shortest", ["batch=all"]);
        Assert.Equal(((int?)null, 64, "all"), (job.Batch, job.MicroBatches, job.BatchText));
        Assert.Contains("\nbatch: all\nmicro-batches: 64\n", JobFile.Format(job), StringComparison.Ordinal);
        Assert.Equal(4096, JobFile.Parse(Shortest, "shortest", ["batch=all", "micro-batches=4096"]).MicroBatches);
    }

    [Fact]
    public void Batch_or_micro_batches_may_depend_on_the_memory()
    {
        var job = JobFile.Parse(Shortest, "shortest", ["batch=auto"]);
        Assert.Equal((AutoSize.Batch, 8, "auto"), (job.Auto, job.MicroBatches, job.BatchText));
        Assert.Contains("\nbatch: auto\nmicro-batches: 8\n", JobFile.Format(job), StringComparison.Ordinal);
        var parts = JobFile.Parse(Shortest, "shortest", ["micro-batches=auto"]);
        Assert.Equal((AutoSize.MicroBatches, (int?)64), (parts.Auto, parts.Batch));
        Assert.Contains("\nbatch: 64\nmicro-batches: auto\n", JobFile.Format(parts), StringComparison.Ordinal);
        Assert.Equal("--set determinism=relaxed: determinism is relaxed; allowed: strict, because a share that is computed in one pass is "
            + "as large as the number of workers makes it",
            Assert.Throws<JobException>(() => JobFile.Parse(Shortest, "shortest", ["batch=auto", "determinism=relaxed"])).Message);
    }

    [Theory]
    [InlineData("model=mlp", "model={name: mlp, hidden: [128], activation: relu, dropout: 0}")]
    [InlineData("model=resnet", "model={name: resnet, blocks: [1, 1, 1], channels: [16, 32, 64], norm: batch}")]
    [InlineData("optimizer=adam",
        "optimizer={name: adam, learning-rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight-decay: 0}")]
    [InlineData("optimizer=adamw",
        "optimizer={name: adamw, learning-rate: 1.0e-3, beta1: .9, beta2: 0.999, epsilon: 1E-8, weight-decay: 0.01}")]
    [InlineData("schedule=step", "schedule={name: step, warmup-steps: 0, every-epochs: 10, factor: 0.1}")]
    [InlineData("schedule=cosine", "schedule={\"name\": 'cosine'}")]
    public void A_name_alone_stands_for_its_defaults(string name, string section) =>
        Assert.Equal(JobFile.Parse(Shortest, "shortest", [section]), JobFile.Parse(Shortest, "shortest", [name]));

    [Fact]
    public void Models_and_optimizers_of_the_repository_are_summarized_by_their_names() =>
        Assert.All(Directory.EnumerateFiles(Path.Combine(Root(), "jobs"), "*.yaml"), file =>
        {
            var (job, text) = (JobFile.Load(file), JobFile.Format(JobFile.Load(file)));
            foreach (var (section, summary) in new[] { ("model", job.Model.Summarize()), ("optimizer", job.Optimizer.Summarize()) })
                Assert.Contains($"\n{section}:\n  name: {summary.Split(' ', ',')[0]}\n", text, StringComparison.Ordinal);
        });

    [Fact]
    public void The_job_files_of_the_repository_are_valid()
    {
        var jobs = Path.Combine(Root(), "jobs");
        Assert.All(Directory.EnumerateFiles(jobs, "*.yaml"), file => JobFile.Parse(File.ReadAllText(file), file));
        Assert.Equal(JobFile.Parse(File.ReadAllText(Path.Combine(jobs, "digits.yaml")), "digits.yaml"), Job.Default);
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Distributed.sln"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
