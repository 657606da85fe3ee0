using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class AutoSizesTests
{
    private static readonly Job _batch = Job.Default with { Auto = AutoSize.Batch, Batch = null, MicroBatches = 8 };
    private static readonly Job _parts = Job.Default with { Auto = AutoSize.MicroBatches, Batch = 64, MicroBatches = 8 };

    [Theory]
    [InlineData(32, 60_000, 256, 8)]
    [InlineData(1, 60_000, 8, 8)]
    [InlineData(7_500, 60_000, 60_000, 8)]
    [InlineData(9_000, 60_000, 60_000, 8)]
    [InlineData(1, 3, 3, 3)]
    [InlineData(int.MaxValue, int.MaxValue, int.MaxValue, 8)]
    public void The_batch_is_the_largest_micro_batch_times_their_number(int fits, int train, int batch, int microBatches) => Assert.Equal(
        _batch with { Auto = AutoSize.None, Batch = batch, MicroBatches = microBatches },
        AutoSizes.Resolve(_batch, fits, train, workers: 2));

    [Theory]
    [InlineData(32, 2, 2)]
    [InlineData(32, 3, 3)]
    [InlineData(10, 2, 7)]
    [InlineData(1000, 1, 1)]
    [InlineData(1000, 100, 64)]
    public void Micro_batches_are_few_but_keep_all_workers_busy(int fits, int workers, int microBatches) => Assert.Equal(
        _parts with { Auto = AutoSize.None, MicroBatches = microBatches }, AutoSizes.Resolve(_parts, fits, 1438, workers));

    [Fact]
    public void A_resolved_job_is_valid_and_its_micro_batches_fit() =>
        Gen.Select(Gen.OneOfConst(_batch, _parts, _parts with { Batch = null }), Gen.Int[25, 2000], Gen.Int[1, 100_000], Gen.Int[1, 64])
            .Sample((job, fits, train, workers) =>
            {
                var resolved = AutoSizes.Resolve(job, fits, train, workers);
                Assert.Equal(resolved, JobFile.Parse(JobFile.Format(resolved), "resolved"));
                var batch = Math.Min(resolved.Batch ?? train, train);
                Assert.True((batch + resolved.MicroBatches - 1) / resolved.MicroBatches <= fits);
                Assert.True(AutoSizes.LargestOf(job, train) <= train);
            });

    [Fact]
    public void More_micro_batches_than_are_allowed_are_refused() => Assert.Equal(
        "batch is 10000, and a worker has memory for 2 samples at a time: that takes 5000 micro-batches; allowed: 4096. "
            + "Make the batch smaller",
        Assert.Throws<JobException>(() => AutoSizes.Resolve(_parts with { Batch = 10_000 }, 2, 60_000, 1)).Message);

    [Fact]
    public void A_resumed_run_keeps_its_resolved_size()
    {
        var run = AutoSizes.Resolve(_batch, 32, 1438, 2);
        Assert.Empty(JobDifference.Between(run, AutoSizes.Like(_batch, run)));
        Assert.Single(JobDifference.Between(run, AutoSizes.Like(_batch with { MicroBatches = 4 }, run)));
        var other = AutoSizes.Resolve(_parts, 32, 1438, 2);
        Assert.Empty(JobDifference.Between(other, AutoSizes.Like(_parts, other)));
    }
}
