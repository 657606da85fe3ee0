using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests;

/// <summary>Small jobs on the embedded digits: 1438 training samples, 359 test samples.</summary>
internal static class SmallJobs
{
    /// <summary>12 steps, for tests in which only the run matters.</summary>
    public static Job Short { get; } = Digits("epochs=1", "batch=128", "micro-batches=4", "model={name: mlp, hidden: [16]}");

    /// <summary>230 steps: long enough to lose a worker, or to gain one while another is slow.</summary>
    public static Job Medium { get; } =
        Digits("epochs=10", "model={name: cnn, channels: [8, 16], hidden: 32, batch-norm: true, dropout: 0.1}");

    /// <summary>460 steps: long enough for faults that are noticed late.</summary>
    public static Job Long { get; } = Medium with { Epochs = 20 };

    /// <summary>575,000 steps: longer than any test.</summary>
    public static Job Endless { get; } = Digits("epochs=25000");

    /// <summary>Every kind of job whose bits must not depend on the workers, by name.</summary>
    public static IReadOnlyDictionary<string, Job> Kinds { get; } = new Dictionary<string, Job>
    {
        ["cnn with momentum"] = Digits(
            "epochs=2", "model={name: cnn, channels: [8, 16], hidden: 32, batch-norm: true, dropout: 0.2}",
            "optimizer={name: sgd, learning-rate: 0.05, momentum: 0.9, nesterov: true}"),
        // The last batch of an epoch has 38 samples.
        ["adamw with an uneven batch"] = Digits(
            "epochs=1", "batch=100", "micro-batches=7", "model={name: cnn, channels: [8], hidden: 32, batch-norm: true, dropout: 0.3}",
            "optimizer={name: adamw, learning-rate: 0.003}", "clip-norm=0.5"),
        // A vector of three slices.
        ["adam with a stepped rate"] = Digits(
            "epochs=2", "batch=150", "micro-batches=5", "model={name: mlp, hidden: [1024, 64], activation: sigmoid}",
            "optimizer={name: adam, learning-rate: 0.002}", "schedule={name: step, every-epochs: 1, factor: 0.3}", "clip-norm=null"),
        ["one of two classes"] = JobFile.Load(JobFolder.File("breast-cancer.yaml")),
        ["a number"] = JobFile.Load(JobFolder.File("diabetes.yaml"), ["epochs=3", "loss=l1"]),
        ["augmented resnet"] = Digits(
            "epochs=1", "batch=150", "micro-batches=6", "model={name: resnet, blocks: [1, 1], channels: [8, 16]}",
            "augment={flip: true, crop: 2, cutout: 3}"),
        // Micro-batches of 719 samples: large enough to be prefetched.
        ["large micro-batches"] =
            Digits("epochs=4", "batch=1438", "micro-batches=2", "model={name: mlp, hidden: [16]}", "augment={crop: 1}"),
        ["the whole training set a step"] = Short with { Batch = null, Epochs = 3 },
        ["one sample a step"] = JobFile.Load(
            JobFolder.File("breast-cancer.yaml"),
            ["epochs=1", "batch=1", "micro-batches=1", "optimizer={name: sgd, learning-rate: 0.01}"]),
        ["random search"] = Short with
        {
            Batch = null,
            Epochs = 20,
            Optimizer = new RandomSearchSpec(),
            Schedule = new ConstantSpec(),
            ClipNorm = null,
        },
        ["local search with statistics of batches"] = Digits(
            "epochs=2", "model={name: cnn, channels: [8], hidden: 32, batch-norm: true, dropout: 0.2}",
            "optimizer={name: local-search, step-size: 0.02}",
            "schedule=constant", "clip-norm=null"),
        ["masks"] = Scenes("segmentation", "model={name: unet, channels: [4, 8]}"),
        ["boxes"] = Scenes("detection", "model={name: detector, channels: [4, 8, 16]}"),
        ["made images"] = JobFile.Load(JobFolder.File("digits-gan.yaml"), ["epochs=1", "model.channels=8"]),
        ["two micro-batches"] = Short with { MicroBatches = 2 },
        // The last batch of an epoch has fewer samples than micro-batches.
        ["empty micro-batches"] = Short with { Batch = 100, MicroBatches = 50 },
    };

    /// <summary>Seven steps on scenes, the last one short.</summary>
    private static Job Scenes(string task, string model) =>
        JobFile.Load(JobFolder.File($"{task}.yaml"), ["epochs=1", "batch=600", "micro-batches=5", model]);

    private static Job Digits(params string[] settings) => JobFile.Parse(JobFile.Format(Job.Default), "the embedded job", settings);
}
