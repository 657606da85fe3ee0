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
    public static JobSummary Of(Job job) => new($"{job.Data}", job.Kind.Metric, job.Model.Summarize(), job.Epochs, job.Batch, job.MicroBatches, job.Optimizer.Summarize(), job.Seed);
}
