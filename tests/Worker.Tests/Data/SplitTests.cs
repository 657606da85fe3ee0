using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class SplitTests
{
    [Fact]
    public void Every_sample_is_in_one_of_two_non_empty_sets() =>
        Gen.Select(Gen.Int[2, 500], Gen.Double[0.001, 0.999], Gen.Long[0, long.MaxValue]).Sample((count, share, seed) =>
        {
            var split = Split.ByShare(count, share, seed);
            Assert.Equal(Enumerable.Range(0, count), split.Train.Concat(split.Test).Order());
            Assert.Equal(split.Train.Order(), split.Train);
            Assert.Equal(split.Test.Order(), split.Test);
            Assert.Equal(Math.Clamp((int)Math.Round(count * share), 1, count - 1), split.Test.Count);
            Assert.Equal(split.Test, Split.ByShare(count, share, seed).Test);
        });

    [Fact]
    public void Different_seeds_draw_different_samples_uniformly()
    {
        var drawn = new int[20];
        for (var seed = 0; seed < 2000; seed++)
            foreach (var sample in Split.ByShare(20, 0.25, seed).Test) drawn[sample]++;
        // Binomial: 500 expected, with a standard deviation of 19.
        Assert.All(drawn, times => Assert.InRange(times, 400, 600));
    }

    // A change would make two builds reject each other, and evaluate a model on its training samples.
    [Fact]
    public void A_split_never_changes() => Assert.Equal([4, 6, 16, 17], Split.ByShare(20, 0.2, 1).Test);

    [Fact]
    public void Splits_without_a_seed_depend_on_the_sample_numbers()
    {
        Assert.Equal([4, 9], Split.Every(12, 5).Test);
        Assert.Equal([0, 1, 2], Split.At(3, 5).Train);
        Assert.Equal([3, 4], Split.At(3, 5).Test);
        Assert.Throws<ArgumentOutOfRangeException>(() => Split.ByShare(1, 0.5, 1));
    }
}
