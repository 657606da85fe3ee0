using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Runs;

/// <param name="Batch">Samples of a step; null for the whole training set.</param>
/// <param name="Optimizer">The way to better parameters, with its base rate or the size of its steps.</param>
internal sealed record JobSummary(string Data, Metric Metric, string Model, int Epochs, int? Batch, int MicroBatches, string Optimizer, long Seed)
{
    public static JobSummary Of(Job job) => new($"{job.Data}", job.Kind.Metric, job.Model.Summarize(), job.Epochs, job.Batch, job.MicroBatches, job.Optimizer.Summarize(), job.Seed);
}
