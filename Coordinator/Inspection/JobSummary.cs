using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Inspection;

/// <summary>A job at a glance.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Metric">What it is judged by.</param>
/// <param name="Model">The model and what it is made of.</param>
/// <param name="Epochs">Passes over the training set.</param>
/// <param name="Batch">Samples of a step; null for the whole training set.</param>
/// <param name="MicroBatches">Micro-batches of a step.</param>
/// <param name="Optimizer">The way to better parameters, with its base rate or the size of its steps.</param>
/// <param name="Seed">Of all that is random.</param>
public sealed record JobSummary(string Data, Metric Metric, string Model, int Epochs, int? Batch, int MicroBatches, string Optimizer, long Seed)
{
    /// <summary>Sums a job up.</summary>
    public static JobSummary Of(Job job) => new($"{job.Data}", job.Kind.Metric, Of(job.Model), job.Epochs, job.Batch, job.MicroBatches, Of(job.Optimizer), job.Seed);

    private static string Of(ModelSpec model) => model switch
    {
        CnnSpec cnn => $"cnn with channels {string.Join(", ", cnn.Channels)}, hidden {cnn.Hidden}{(cnn.BatchNorm ? ", batch-norm" : "")}{Dropout(cnn.Dropout)}",
        ResNetSpec resnet => $"resnet with blocks {string.Join(", ", resnet.Blocks)}, channels {string.Join(", ", resnet.Channels)}, norm {resnet.Norm}",
        DcganSpec dcgan => $"dcgan with latent {dcgan.Latent}, channels {dcgan.Channels}{Dropout(dcgan.Dropout)}",
        MlpSpec mlp => $"mlp with hidden {string.Join(", ", mlp.Hidden)}, {mlp.Activation}{Dropout(mlp.Dropout)}",
        PluginSpec plugin => $"{plugin.Class} of a plugin",
        TorchScriptSpec script => $"TorchScript of {script.File}",
        var other => other.GetType().Name,
    };

    private static string Dropout(double share) => share > 0 ? Text($", dropout {share}") : "";

    /// <summary>An optimizer by its name and what it is chosen by first.</summary>
    internal static string Of(OptimizerSpec optimizer) => optimizer switch
    {
        SgdSpec sgd => Text($"sgd, learning rate {sgd.LearningRate}"),
        AdamWSpec adam => Text($"adamw, learning rate {adam.LearningRate}"),
        AdamSpec adam => Text($"adam, learning rate {adam.LearningRate}"),
        RandomSearchSpec search => Text($"random-search, scale {search.Scale}"),
        LocalSearchSpec search => Text($"local-search, step size {search.StepSize}"),
        var other => other.GetType().Name,
    };

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
