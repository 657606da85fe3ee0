using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Worker.Tests.Replicas;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>Map and apply of a search.</summary>
[Collection(TorchTests.Name)]
public sealed class SearchRoundTests
{
    private static readonly Gen<Job> _jobs = Gen.Select(Gen.Bool, Gen.Bool, Gen.Long[0, 1000]).Select((isLocal, hasBuffers, seed) =>
        TestJobs.Of(hasBuffers ? TestJobs.Noisy : new MlpSpec { Hidden = [8] }) with
        {
            Seed = seed,
            Optimizer = isLocal ? new LocalSearchSpec { StepSize = 0.05 } : new RandomSearchSpec { Scale = 0.3 },
        });

    [Fact]
    public void A_contribution_has_no_gradient_and_leaves_the_parameters_unchanged() => Gen.Select(
        _jobs, Gen.Long[0, 1], Gen.Int[0, 3]).Sample((job, number, microBatch) =>
    {
        using var training = new LocalTraining(job);
        using var pool = training.Replica.CreatePool();
        var before = training.Replica.Serialize();
        var contribution = pool.Rent();

        training.Replica.Map.Compute(training.Replica.Rounds.At(number), microBatch, contribution);

        // Mean and variance of four channels, and the number of batches.
        Assert.Equal(job.Model is CnnSpec ? 9 : 0, contribution.Floats.Length);
        Assert.Equal(120, contribution.Tallies[Tally.Samples]);
        Assert.True(contribution.Tallies[Tally.Loss] > 0);
        Assert.Equal(before, training.Replica.Serialize());
        contribution.Release();
    }, iter: 20, threads: 1);

    [Fact]
    public void The_first_loss_equals_that_of_gradient_descent() => _jobs.Sample(job =>
    {
        using var search = new LocalTraining(job);
        using var descent = new LocalTraining(job with { Optimizer = new SgdSpec() });
        Assert.Equal(descent.Run(0), search.Run(0));
    }, iter: 10, threads: 1);

    [Fact]
    public void The_parameters_change_if_and_only_if_the_loss_is_the_lowest_so_far() => _jobs.Sample(job =>
    {
        using var training = new LocalTraining(job with { Batch = null, Epochs = 6 });
        var (best, digest) = (double.PositiveInfinity, training.Replica.Digest());
        for (var number = 0L; number < training.Replica.Rounds.Count; number++)
        {
            var tallies = training.Run(number);
            var loss = tallies[Tally.Loss] / tallies[Tally.Samples];
            var isBest = training.Replica.Rounds.At(number).Kind == RoundKind.Train && loss < best;
            if (isBest) best = loss;
            // The first candidate equals the initial parameters.
            if (number > 0) Assert.Equal(isBest, digest != training.Replica.Digest());
            digest = training.Replica.Digest();
        }
    }, iter: 10, threads: 1);

    [Fact]
    public void Replicas_stay_equal_if_one_does_other_work_in_between() => _jobs.Sample(job =>
    {
        using var one = new LocalTraining(job);
        using var other = new LocalTraining(job);
        for (var number = 0L; number < 8; number++)
        {
            // A round that is aborted and computed again, and the next one.
            other.Average(other.Replica.Rounds.At(number)).Release();
            other.Average(other.Replica.Rounds.At((number + 1) % 8)).Release();
            Assert.Equal(one.Run(number), other.Run(number));
            Assert.Equal(one.Replica.Serialize(), other.Replica.Serialize());
        }
    }, iter: 6, threads: 1);
}
