using Distributed.Core.Planning;

namespace Distributed.Shared.Tests.Kernel;

public sealed class BatchProbeTests
{
    /// <summary>A fixed amount of memory plus one that grows with the samples.</summary>
    private static readonly Gen<(int Most, long Budget, long Fixed, long OfSample)> _devices =
        Gen.Select(Gen.Int[1, 1_000_000], Gen.Long[0, 1L << 36], Gen.Long[0, 1L << 30], Gen.Long[1, 1L << 26]);

    [Fact]
    public void The_result_fits_and_half_as_much_again_does_not() => _devices.Sample(device =>
    {
        var (answer, tried) = Search(device.Most, device.Budget, samples => device.Fixed + (device.OfSample * samples));
        Assert.InRange(answer, 0, device.Most);
        var fits = Math.Min(device.Most, (device.Budget - device.Fixed) / device.OfSample);
        if (fits < 1) Assert.Equal(0, answer);
        else Assert.InRange(answer, (long)Math.Ceiling(fits * 0.875) is var least && least > 2 ? least - 1 : 1, fits);
        // On a CPU a size that does not fit would end the process: only 1 and 2 are tried without an estimate.
        Assert.All(tried, samples => Assert.True(samples <= 2 || device.Fixed + (device.OfSample * samples) <= device.Budget));
    });

    [Fact]
    public void The_last_size_that_succeeded_is_the_result_if_a_larger_one_fails() => _devices.Sample(device =>
    {
        // Without growth of the measured memory, only the failure ends the search.
        var limit = Math.Max(1, device.Fixed % device.Most);
        var probe = new BatchProbe(device.Most, device.Budget);
        while (probe.Next is { } samples) probe = samples <= limit ? probe.Succeeded(samples, 0) : probe.Failed();
        Assert.InRange(probe.Result, (limit + 1) / 2, limit);
    });

    [Fact]
    public void The_search_ends_at_the_largest_useful_size() =>
        Assert.Equal(
            (100, 8),
            (Search(100, long.MaxValue, samples => samples).Answer, Search(100, long.MaxValue, samples => samples).Tried.Count));

    [Fact]
    public void Noisy_measurements_never_make_the_search_endless() =>
        Gen.Select(Gen.Int[1, 1_000_000], Gen.Long[0, 1L << 40].Array[40]).Sample((most, noise) =>
        {
            var probe = new BatchProbe(most, 1L << 39);
            for (var i = 0; probe.Next is { } samples; i++) probe = probe.Succeeded(samples, noise[i]);
            Assert.InRange(probe.Result, 0, most);
            Assert.True(probe.Result == 0 || probe.Tried.Exists(tried => tried.Bytes <= probe.Budget));
        });

    private static (int Answer, List<int> Tried) Search(int most, long budget, Func<long, long> bytes)
    {
        var probe = new BatchProbe(most, budget);
        var tried = new List<int>();
        while (probe.Next is { } samples)
        {
            tried.Add(samples);
            probe = probe.Succeeded(samples, bytes(samples));
        }
        return (probe.Result, tried);
    }
}
