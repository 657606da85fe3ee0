using System.Globalization;
using Distributed.Shared.Jobs;

namespace Distributed.Coordinator.Inspection;

/// <summary>A job at a glance.</summary>
/// <param name="Data">The data set.</param>
/// <param name="Model">The model and what it is made of.</param>
/// <param name="Epochs">Passes over the training set.</param>
/// <param name="Batch">Samples of a step; null for the whole training set.</param>
/// <param name="MicroBatches">Micro-batches of a step.</param>
/// <param name="Optimizer">The update rule and its base rate.</param>
/// <param name="Seed">Of all that is random.</param>
public sealed record JobSummary(string Data, string Model, int Epochs, int? Batch, int MicroBatches, string Optimizer, long Seed)
{
    /// <summary>Sums a job up.</summary>
    public static JobSummary Of(Job job) => new(job.Data, Of(job.Model), job.Epochs, job.Batch, job.MicroBatches, Of(job.Optimizer), job.Seed);

    private static string Of(ModelSpec model) => model switch
    {
        CnnSpec cnn => $"cnn with channels {string.Join(", ", cnn.Channels)}, hidden {cnn.Hidden}{(cnn.BatchNorm ? ", batch-norm" : "")}{Dropout(cnn.Dropout)}",
        MlpSpec mlp => $"mlp with hidden {string.Join(", ", mlp.Hidden)}, {mlp.Activation}{Dropout(mlp.Dropout)}",
        var other => other.GetType().Name,
    };

    private static string Dropout(double share) => share > 0 ? string.Create(CultureInfo.InvariantCulture, $", dropout {share}") : "";

    private static string Of(OptimizerSpec optimizer)
    {
        var name = optimizer switch
        {
            SgdSpec => "sgd",
            AdamWSpec => "adamw",
            AdamSpec => "adam",
            var other => other.GetType().Name,
        };
        return string.Create(CultureInfo.InvariantCulture, $"{name}, learning rate {optimizer.LearningRate}");
    }
}
