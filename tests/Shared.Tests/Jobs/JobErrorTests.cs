using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class JobErrorTests
{
    private const string Valid = """
        task: classification
        data: digits
        model:
          name: cnn
          channels: [32, 64]
          dropout: 0.1
        epochs: 15
        batch: 64
        micro-batches: 8
        optimizer:
          name: sgd
          learning-rate: 0.05
          momentum: 0.9
        schedule: cosine
        clip-norm: 1.0
        """;

    [Fact]
    public void The_text_that_the_table_spoils_is_valid() => JobFile.Parse(Valid, "x.yaml");

    /// <summary>A line of the valid text, its replacement, and the message.</summary>
    [Theory]
    [InlineData("data: digits", "data: mnist",
        "x.yaml:2: data is mnist; allowed: digits, fashion-mnist, breast-cancer, csv, folder, idx or npy")]
    [InlineData("task: classification", "task: binary-classification",
        "x.yaml:2: data is digits; allowed: breast-cancer, csv, folder, idx or npy")]
    [InlineData("data: digits", "data: breast-cancer", "x.yaml:4: model.name is cnn; allowed: mlp, plugin or torchscript")]
    [InlineData("data: digits", "data: digits\nloss: l2", "x.yaml:3: loss is l2; allowed: cross-entropy")]
    [InlineData("task: classification", "task: regression", "x.yaml:2: data is digits; allowed: diabetes, csv or npy")]
    [InlineData("data: digits", "data:", "x.yaml:2: data is empty; allowed: digits, fashion-mnist, breast-cancer, csv, folder, idx or npy")]
    [InlineData("data: digits", "data: [digits]", "x.yaml:2: data is a list of 1 entry; allowed: digits, fashion-mnist, breast-cancer, "
        + "csv, folder, idx or npy, alone or as the name of a section")]
    [InlineData("  name: cnn", "  name: vgg", "x.yaml:4: model.name is vgg; allowed: cnn, resnet, mlp, plugin or torchscript")]
    [InlineData("  name: cnn", "  hidden: 3", "x.yaml:3: model.name is missing; allowed: cnn, resnet, mlp, plugin or torchscript")]
    [InlineData("  name: cnn", "  name: mlp", "x.yaml:5: model.channels is not a known key; allowed: name, hidden, activation, dropout")]
    [InlineData("  channels: [32, 64]", "  channels: [32, 0]",
        "x.yaml:5: model.channels[1] is 0; allowed: a whole number from 1 to 16384")]
    [InlineData("  channels: [32, 64]", "  channels: []",
        "x.yaml:5: model.channels is a list of 0 entries; allowed: a list of 1 to 4 entries, each a whole number from 1 to 16384")]
    [InlineData("  channels: [32, 64]", "  channels: 32",
        "x.yaml:5: model.channels is 32; allowed: a list of 1 to 4 entries, each a whole number from 1 to 16384")]
    [InlineData("  dropout: 0.1", "  dropout: 1", "x.yaml:6: model.dropout is 1; allowed: a number from 0 to below 1")]
    [InlineData("  dropout: 0.1", "  batch-norm: yes", "x.yaml:6: model.batch-norm is yes; allowed: true or false")]
    [InlineData("  dropout: 0.1", "  droput: 0.1",
        "x.yaml:6: model.droput is not a known key (did you mean dropout?); allowed: name, channels, hidden, batch-norm, dropout")]
    [InlineData("  dropout: 0.1", "  name: cnn", "x.yaml:6: model.name is given again, first at x.yaml:4; allowed: once")]
    [InlineData("  name: cnn\n  channels: [32, 64]\n  dropout: 0.1", "  name: resnet\n  blocks: [1, 2]",
        "x.yaml:3: model.channels is missing; allowed: a list of 2 entries, each a whole number from 1 to 16384")]
    [InlineData("  name: cnn\n  channels: [32, 64]\n  dropout: 0.1", "  name: resnet\n  channels: [8, 16]",
        "x.yaml:5: model.channels is a list of 2 entries; allowed: a list of 3 entries, each a whole number from 1 to 16384")]
    [InlineData("  name: cnn\n  channels: [32, 64]\n  dropout: 0.1", "  name: resnet\n  blocks: [0]",
        "x.yaml:5: model.blocks[0] is 0; allowed: a whole number from 1 to 64")]
    [InlineData("  name: cnn\n  channels: [32, 64]\n  dropout: 0.1", "  name: resnet\n  norm: layer",
        "x.yaml:5: model.norm is layer; allowed: batch, group or none")]
    [InlineData("epochs: 15", "epochs: 15\naugment: flip", "x.yaml:8: augment is flip; allowed: a section of keys with values")]
    [InlineData("epochs: 15", "epochs: 15\naugment: {flop: true}",
        "x.yaml:8: augment.flop is not a known key (did you mean flip?); allowed: flip, crop, cutout")]
    [InlineData("epochs: 15", "epochs: 15\naugment: {flip: 0.5}", "x.yaml:8: augment.flip is 0.5; allowed: true or false")]
    [InlineData("epochs: 15", "epochs: 15\naugment: {crop: -1}", "x.yaml:8: augment.crop is -1; allowed: a whole number from 0 to 64")]
    [InlineData("data: digits\nmodel:\n  name: cnn\n  channels: [32, 64]\n",
        "data: breast-cancer\naugment: {flip: true}\nmodel:\n  name: mlp\n",
        "x.yaml:3: augment.flip is true; allowed: false, because only images that are classified are augmented")]
    [InlineData("data: digits\nmodel:\n  name: cnn\n  channels: [32, 64]\n",
        "data: breast-cancer\naugment: {crop: 2}\nmodel:\n  name: mlp\n",
        "x.yaml:3: augment.crop is 2; allowed: 0, because only images that are classified are augmented")]
    [InlineData("epochs: 15", "# none", "x.yaml:1: epochs is missing; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epoch: 15",
        "x.yaml:7: epoch is not a known key (did you mean epochs?); allowed: task, data, loss, model, augment, "
        + "seed, epochs, batch, micro-batches, threads, optimizer, schedule, clip-norm, checkpoint, topology, wire, determinism")]
    [InlineData("epochs: 15", "epochs: 15\nzzz: 1", "x.yaml:8: zzz is not a known key; allowed: task, data, loss, model, augment, "
        + "seed, epochs, batch, micro-batches, threads, optimizer, schedule, clip-norm, checkpoint, topology, wire, determinism")]
    [InlineData("epochs: 15", "epochs: -1", "x.yaml:7: epochs is -1; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epochs: 1.5", "x.yaml:7: epochs is 1.5; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epochs: 99999999999", "x.yaml:7: epochs is 99999999999; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epochs: \"15\"", "x.yaml:7: epochs is the text \"15\"; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epochs:\n  a: 1", "x.yaml:7: epochs is a section of keys; allowed: a whole number from 0 to 2147483647")]
    [InlineData("epochs: 15", "epochs: 15\nseed: -1", "x.yaml:8: seed is -1; allowed: a whole number from 0 to 9223372036854775807")]
    [InlineData("epochs: 15", "epochs: 15\nthreads: 257", "x.yaml:8: threads is 257; allowed: a whole number from 1 to 256")]
    [InlineData("epochs: 15", "epochs: 15\ntopology: ring", "x.yaml:8: topology is ring; allowed: star or mesh")]
    [InlineData("epochs: 15", "epochs: 15\ncheckpoint: 5", "x.yaml:8: checkpoint is 5; allowed: a section of keys with values")]
    [InlineData("epochs: 15", "epochs: 15\ncheckpoint: {keep: 0}",
        "x.yaml:8: checkpoint.keep is 0; allowed: a whole number from 1 to 1000")]
    [InlineData("epochs: 15", "epochs: 15\ncheckpoint: {every: 5}",
        "x.yaml:8: checkpoint.every is not a known key; allowed: every-steps, keep")]
    [InlineData("epochs: 15", "epochs: 15\nwire: float16", "x.yaml:8: wire is float16; allowed: float32 or bf16")]
    [InlineData("epochs: 15", "epochs: 15\nwire: 32", "x.yaml:8: wire is 32; allowed: float32 or bf16")]
    [InlineData("epochs: 15", "epochs: 15\ndeterminism: false", "x.yaml:8: determinism is false; allowed: strict or relaxed")]
    [InlineData("batch: 64\nmicro-batches: 8", "batch: 0",
        "x.yaml:8: batch is 0; allowed: a whole number from 1 to 2147483647, or all, or auto")]
    [InlineData("batch: 64\nmicro-batches: 8", "batch: whole",
        "x.yaml:8: batch is whole; allowed: a whole number from 1 to 2147483647, or all, or auto")]
    [InlineData("batch: 64\nmicro-batches: 8", "batch: all\nmicro-batches: 4097",
        "x.yaml:9: micro-batches is 4097; allowed: a whole number from 1 to 4096, or auto")]
    [InlineData("batch: 64\nmicro-batches: 8", "batch: auto\nmicro-batches: auto",
        "x.yaml:9: micro-batches is auto; allowed: a whole number from 1 to 4096")]
    [InlineData("micro-batches: 8", "micro-batches: 65",
        "x.yaml:9: micro-batches is 65; allowed: a whole number from 1 to 64 (the batch), or auto")]
    [InlineData("batch: 64\nmicro-batches: 8", "batch: 8192\nmicro-batches: 4097",
        "x.yaml:9: micro-batches is 4097; allowed: a whole number from 1 to 4096, or auto")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: -0.1",
        "x.yaml:12: optimizer.learning-rate is -0.1; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: fast",
        "x.yaml:12: optimizer.learning-rate is fast; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: .nan",
        "x.yaml:12: optimizer.learning-rate is .nan; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: NaN",
        "x.yaml:12: optimizer.learning-rate is NaN; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: Infinity",
        "x.yaml:12: optimizer.learning-rate is Infinity; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: 1e999",
        "x.yaml:12: optimizer.learning-rate is 1e999; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning-rate: null",
        "x.yaml:12: optimizer.learning-rate is null; allowed: a number greater than 0")]
    [InlineData("  learning-rate: 0.05", "  learning_rate: 0.05", "x.yaml:12: optimizer.learning_rate is not a known key "
        + "(did you mean learning-rate?); allowed: name, learning-rate, momentum, nesterov, weight-decay")]
    [InlineData("  momentum: 0.9", "  nesterov: true", "x.yaml:13: optimizer.nesterov is true; allowed: false, because momentum is 0")]
    [InlineData("  name: sgd\n  learning-rate: 0.05\n  momentum: 0.9", "  name: random-search\n  learning-rate: 0.05",
        "x.yaml:12: optimizer.learning-rate is not a known key; allowed: name, scale")]
    [InlineData("  name: sgd\n  learning-rate: 0.05\n  momentum: 0.9", "  name: local-search\n  step-size: 0",
        "x.yaml:12: optimizer.step-size is 0; allowed: a number greater than 0")]
    [InlineData("  name: sgd\n  learning-rate: 0.05\n  momentum: 0.9", "  name: local-search",
        "x.yaml:12: schedule is cosine; allowed: constant, because a search has no learning rate")]
    [InlineData("  name: sgd\n  learning-rate: 0.05\n  momentum: 0.9\nschedule: cosine",
        "  name: local-search\nschedule: {name: constant, warmup-steps: 1}",
        "x.yaml:12: schedule.warmup-steps is 1; allowed: a whole number from 0 to 0, because a search has no learning rate")]
    [InlineData("  name: sgd\n  learning-rate: 0.05\n  momentum: 0.9\nschedule: cosine", "  name: local-search",
        "x.yaml:12: clip-norm is 1.0; allowed: null, because a search has no gradient")]
    [InlineData("schedule: cosine", "schedule: []",
        "x.yaml:14: schedule is a list of 0 entries; allowed: constant, step or cosine, alone or as the name of a section")]
    [InlineData("schedule: cosine", "schedule: { name: step, factor: 1.5 }",
        "x.yaml:14: schedule.factor is 1.5; allowed: a number greater than 0, at most 1")]
    [InlineData("clip-norm: 1.0", "clip-norm: 0", "x.yaml:15: clip-norm is 0; allowed: a number greater than 0, or null")]
    [InlineData("data: digits", "data: &d digits", "x.yaml:2: this uses an anchor or alias (& or *); allowed: the value itself")]
    [InlineData("data: digits", "data: *d", "x.yaml:2: this uses an anchor or alias (& or *); allowed: the value itself")]
    [InlineData("data: digits", "data: !!str digits", "x.yaml:2: this has a tag (!); allowed: values without tags")]
    [InlineData("data: digits", "[data]: digits", "x.yaml:2: a key is not a word; allowed: key: value")]
    [InlineData("data: digits", "data: [[[[[[[[[]]]]]]]]]", "x.yaml:2: this is nested too deeply; allowed: 8 levels")]
    [InlineData("clip-norm: 1.0", "---\ntask: classification", "x.yaml:15: a second document starts; allowed: one document")]
    public void A_fault_is_reported_with_its_line_what_was_found_and_what_is_allowed(string line, string spoiled, string message)
    {
        Assert.Contains(line, Valid, StringComparison.Ordinal);
        Assert.Equal(message, Error(Valid.Replace(line, spoiled, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("", "x.yaml:1: the job is empty; allowed: keys with values, such as \"task: classification\"")]
    [InlineData("# nothing", "x.yaml:1: the job is empty; allowed: keys with values, such as \"task: classification\"")]
    [InlineData("\ndigits", "x.yaml:2: the job is digits; allowed: keys with values, such as \"task: classification\"")]
    public void A_text_that_is_not_a_section_is_refused(string text, string message) => Assert.Equal(message, Error(text));

    [Theory]
    [InlineData("a: 1\nb: 'c\nd: 2", "x.yaml:2: this is not YAML: While scanning a quoted scalar, found unexpected end of stream.")]
    [InlineData("a: 1\nb 2\nd: 2", "x.yaml:2: this is not YAML: While parsing a block mapping, did not find expected key.")]
    [InlineData("a: 1\nb: {c: 1\nd: 2", "x.yaml:3: this is not YAML: is a bracket, brace or quote left open?")]
    [InlineData("a:\n  b: 1\n c: 1", "x.yaml:3: this is not YAML: While parsing a block mapping, did not find expected key.")]
    [InlineData("a: 1\nb:\n \tc: 1", "x.yaml:3: the line is indented with a tab; allowed: spaces")]
    public void A_syntax_error_has_its_line(string text, string message) => Assert.Equal(message, Error(text));

    [Fact]
    public void A_long_text_is_refused_unread() => Assert.Equal(
        "x.yaml:1: the text is 65537 characters long; allowed: at most 65536", Error(new string('[', 65_537)));

    [Fact]
    public void Long_and_strange_text_is_shown_short_and_on_one_line() => Assert.Equal(
        $"x.yaml:1: ?{new string('a', 59)}... is not a known key; allowed: task, data, loss, model, augment, seed, epochs, batch, "
            + "micro-batches, "
        + "threads, optimizer, schedule, clip-norm, checkpoint, topology, wire, determinism", Error($"\"\\n{new string('a', 1000)}\": 1"));

    [Fact]
    public void A_job_made_in_code_is_checked_when_it_is_written() => Assert.All(
        new (Job Job, string Message)[]
        {
            (Job.Default with { MicroBatches = 65 },
                "the job: micro-batches is 65; allowed: a whole number from 1 to 64 (the batch), or auto"),
            (Job.Default with { ClipNorm = double.NaN }, "the job: clip-norm is NaN; allowed: a number greater than 0, or null"),
            (Job.Default with { Model = new MlpSpec { Hidden = [] } },
                "the job: model.hidden is a list of 0 entries; allowed: a list of 1 to 16 entries, each a whole number from 1 to 16384"),
            (Job.Default with { Model = new MlpSpec { Hidden = [1, 0] } },
                "the job: model.hidden[1] is 0; allowed: a whole number from 1 to 16384"),
            (Job.Default with { Task = "a\nb: c" }, "the job: task is a?b: c; allowed: classification, binary-classification, regression, "
                + "segmentation, detection, generation or plugin"),
        },
        wrong => Assert.Equal(wrong.Message, Assert.Throws<JobException>(() => JobFile.Format(wrong.Job)).Message));

    private static string Error(string yaml) => Assert.Throws<JobException>(() => JobFile.Parse(yaml, "x.yaml")).Message;
}
