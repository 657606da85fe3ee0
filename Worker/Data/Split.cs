using Distributed.Core.Planning;

namespace Distributed.Worker.Data;

/// <summary>Which samples are trained on, and which are for testing alone: each one of them, in their order.</summary>
/// <param name="Test">Likewise, none of them in <paramref name="Train"/>.</param>
internal sealed record Split(IReadOnlyList<int> Train, IReadOnlyList<int> Test)
{
    // No epoch has it, so that the order of no epoch has to do with the split.
    private const int SplitNumber = -1;

    public static Split Every(int count, int each) => By(count, sample => sample % each == each - 1);

    /// <summary>The first so many are trained on, the others are for testing.</summary>
    public static Split At(int train, int count) => By(count, sample => sample >= train);

    /// <summary>A share drawn by a seed: the same on every machine.</summary>
    /// <param name="count">Samples, at least 2.</param>
    /// <param name="share">That of the test set, above 0 and below 1; either set has one sample at least.</param>
    public static Split ByShare(int count, double share, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 2);
        var tests = Math.Clamp((int)Math.Round(count * share), 1, count - 1);
        var isTest = new bool[count];
        foreach (var sample in Permutation.Of(count, seed, SplitNumber).AsSpan(0, tests)) isTest[sample] = true;
        return By(count, sample => isTest[sample]);
    }

    private static Split By(int count, Predicate<int> isTest) =>
        new([.. Enumerable.Range(0, count).Where(sample => !isTest(sample))], [.. Enumerable.Range(0, count).Where(sample => isTest(sample))]);
}
