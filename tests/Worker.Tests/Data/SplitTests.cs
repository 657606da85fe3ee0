using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class SplitTests
{
    [Fact]
    public void Every_sample_is_in_one_of_the_sets_and_none_is_empty() =>
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
    public void Seeds_draw_other_samples_and_each_is_drawn_as_often()
    {
        var drawn = new int[20];
        for (var seed = 0; seed < 2000; seed++)
            foreach (var sample in Split.ByShare(20, 0.25, seed).Test) drawn[sample]++;
        // Binomial: 500 expected, with a standard deviation of 19.
        Assert.All(drawn, times => Assert.InRange(times, 400, 600));
    }

    // Runs of two builds on the same data refuse each other, and a model is evaluated on what it was trained on, if this changes.
    [Fact]
    public void It_is_stable() => Assert.Equal([4, 6, 16, 17], Split.ByShare(20, 0.2, 1).Test);

    [Fact]
    public void Others_go_by_their_numbers()
    {
        Assert.Equal([4, 9], Split.Every(12, 5).Test);
        Assert.Equal([0, 1, 2], Split.At(3, 5).Train);
        Assert.Equal([3, 4], Split.At(3, 5).Test);
        Assert.Throws<ArgumentOutOfRangeException>(() => Split.ByShare(1, 0.5, 1));
    }
}
