using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Optimizers;

[Collection(TorchTests.Name)]
public sealed class SearchTests
{
    private static readonly Gen<Func<long, ISearchOptimizer>> _searches = Gen.Select(Gen.Bool, Gen.Double[0.01, 10]).Select(
        (isLocal, size) => (Func<long, ISearchOptimizer>)(seed => isLocal ? new LocalSearch(seed, size) : new RandomSearch(seed, size)));

    private static readonly Gen<double> _losses = Gen.OneOf(Gen.Double[0, 3], Gen.OneOfConst(0.5, double.NaN, double.PositiveInfinity));

    [Fact]
    public void A_candidate_depends_only_on_the_best_the_seed_and_the_step() => Gen.Select(
        _searches, Gen.Long[0, long.MaxValue], Gen.Long[1, 1000], Gen.Int[1, 50]).Sample(
        (make, seed, step, length) =>
        {
            using var scope = NewDisposeScope();
            var best = randn(length);
            using ISearchOptimizer search = make(seed), elsewhere = make(seed), other = make(seed ^ 1);
            // Neither earlier candidates of another worker nor its other random numbers make a difference.
            Candidate(elsewhere, best, step + 1);
            _ = rand(length);

            var candidate = Candidate(search, best, step);

            Assert.Equal(candidate, Candidate(search, best, step));
            Assert.Equal(candidate, Candidate(elsewhere, best, step));
            Assert.NotEqual(candidate, Candidate(search, best, step + 1));
            Assert.NotEqual(candidate, Candidate(other, best, step));
        },
        iter: 50, threads: 1);

    [Fact]
    public void A_candidate_does_not_use_the_generator_of_the_model() => _searches.Sample(make =>
    {
        using var scope = NewDisposeScope();
        using var search = make(3);
        manual_seed(7);
        var expected = rand(5).bytes.ToArray();
        manual_seed(7);
        Candidate(search, zeros(100), 4);
        Assert.Equal(expected, rand(5).bytes.ToArray());
    }, iter: 5, threads: 1);

    [Fact]
    public void The_first_step_tries_the_initial_parameters() => Gen.Select(_searches, Gen.Long[0, 1000]).Sample((make, seed) =>
    {
        using var scope = NewDisposeScope();
        using var search = make(seed);
        var begin = randn(9);
        Assert.Equal(begin.bytes.ToArray(), Candidate(search, begin, 0));
    }, iter: 10, threads: 1);

    [Fact]
    public void The_first_candidate_of_the_lowest_loss_is_kept() => Gen.Select(
        _searches, Gen.Long[0, 1000], _losses.Array[1, 30]).Sample((make, seed, losses) =>
    {
        using var scope = NewDisposeScope();
        using var search = make(seed);
        var parameters = randn(6);
        var (best, bestLoss) = (parameters.bytes.ToArray(), float.PositiveInfinity);
        for (var step = 0; step < losses.Length; step++)
        {
            var candidate = Candidate(search, parameters, step);
            Assert.Equal(best, parameters.bytes.ToArray());
            var isBetter = (float)losses[step] < bestLoss;
            if (isBetter) (best, bestLoss) = (candidate, (float)losses[step]);

            Assert.Equal(isBetter, search.Decide(parameters, step, losses[step]));

            Assert.Equal(best, parameters.bytes.ToArray());
            Assert.Equal(bestLoss, Assert.Single(search.State).Slot.item<float>());
            Assert.Equal(step + 1, search.StepCount);
        }
    }, iter: 50, threads: 1);

    [Fact]
    public void Random_candidates_are_normal_around_zero_and_local_ones_around_the_best() => Gen.Select(
        Gen.Double[0.01, 10], Gen.Long[0, 1000]).Sample((size, seed) =>
    {
        using var scope = NewDisposeScope();
        using ISearchOptimizer random = new RandomSearch(seed, size), local = new LocalSearch(seed, size);
        var best = ones(40_000).MultiplyBy(5);
        foreach (var (search, mean) in new[] { (random, 0.0), (local, 5.0) })
        {
            var candidate = best.clone();
            search.Propose(candidate, 1);
            Assert.Equal(mean, candidate.mean().item<float>(), 0.03 * size);
            Assert.Equal(size, candidate.std().item<float>(), 0.03 * size);
        }
    }, iter: 10, threads: 1);

    [Fact]
    public void A_local_search_minimizes_a_quadratic()
    {
        using var scope = NewDisposeScope();
        using var search = new LocalSearch(1, 0.1);
        var parameters = ones(4);
        for (var step = 0; step < 500; step++)
        {
            var candidate = parameters.clone();
            search.Propose(candidate, step);
            search.Decide(parameters, step, candidate.square().sum().item<float>());
        }
        Assert.InRange(parameters.square().sum().item<float>(), 0, 0.05);
    }

    [Fact]
    public void A_saved_search_continues_with_the_same_bits() => Gen.Select(
        _searches, Gen.Long[0, 1000], _losses.Array[10]).Sample((make, seed, losses) =>
    {
        using var scope = NewDisposeScope();
        var straight = randn(8);
        using ISearchOptimizer whole = make(seed), resumed = make(seed);
        for (var step = 0; step < 4; step++) whole.Decide(straight, step, losses[step]);
        var copy = straight.clone();
        resumed.StepCount = whole.StepCount;
        foreach (var (to, from) in resumed.State.Zip(whole.State)) to.Slot.copy_(from.Slot);
        for (var step = 4; step < losses.Length; step++)
            Assert.Equal(whole.Decide(straight, step, losses[step]), resumed.Decide(copy, step, losses[step]));
        Assert.Equal(straight.bytes.ToArray(), copy.bytes.ToArray());
    }, iter: 20, threads: 1);

    [Fact]
    public void A_step_leaves_no_live_tensor()
    {
        using var parameters = randn(100);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        ISearchOptimizer[] searches = [new RandomSearch(1, 1), new LocalSearch(1, 1)];
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        foreach (var search in searches)
        {
            for (var step = 0; step < 50; step++)
            {
                search.Propose(parameters, step);
                search.Decide(parameters, step, 1.0 / (step + 1));
            }
        }

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        foreach (var search in searches) search.Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Rejects_values_out_of_range()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new RandomSearch(1, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LocalSearch(1, double.NaN));
    }

    /// <summary>The bytes of a candidate; the best parameters stay unchanged.</summary>
    private static byte[] Candidate(ISearchOptimizer search, Tensor best, long step)
    {
        using var candidate = best.clone();
        search.Propose(candidate, step);
        return candidate.bytes.ToArray();
    }
}
