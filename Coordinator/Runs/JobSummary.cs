using Distributed.Core.Scores;
using Distributed.Jobs;

namespace Distributed.Coordinator.Runs;

internal sealed record JobSummary(
    string Data, Metric Metric, string Model, int Epochs, int? Batch, int MicroBatches, string Optimizer, long Seed)
{
    public static JobSummary Of(Job job) => new($"{job.Data}", job.Kind.Metric, job.Model.Summarize(), job.Epochs, job.Batch,
        job.MicroBatches, job.Optimizer.Summarize(), job.Seed);
}
