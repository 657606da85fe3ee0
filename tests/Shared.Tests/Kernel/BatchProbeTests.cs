using Distributed.Core.Planning;

namespace Distributed.Shared.Tests.Kernel;

public sealed class BatchProbeTests
{
    /// <summary>Memory that grows with the samples, beside some that does not.</summary>
    private static readonly Gen<(int Most, long Budget, long Fixed, long OfSample)> _devices =
        Gen.Select(Gen.Int[1, 1_000_000], Gen.Long[0, 1L << 36], Gen.Long[0, 1L << 30], Gen.Long[1, 1L << 26]);

    [Fact]
    public void What_it_finds_fits_and_half_as_much_again_would_not() => _devices.Sample(device =>
    {
        var (answer, tried) = Search(device.Most, device.Budget, samples => device.Fixed + (device.OfSample * samples));
        Assert.InRange(answer, 0, device.Most);
        var fits = Math.Min(device.Most, (device.Budget - device.Fixed) / device.OfSample);
        if (fits < 1) Assert.Equal(0, answer);
        else Assert.InRange(answer, (long)Math.Ceiling(fits * 0.875) is var least && least > 2 ? least - 1 : 1, fits);
        // On a CPU what does not fit would end the process: only one and two are tried without knowing what more takes.
        Assert.All(tried, samples => Assert.True(samples <= 2 || device.Fixed + (device.OfSample * samples) <= device.Budget));
    });

    [Fact]
    public void Where_more_can_be_tried_than_fits_the_last_that_did_is_the_answer() => _devices.Sample(device =>
    {
        // Measured memory that does not grow says nothing of what is next: only the failure does.
        var limit = Math.Max(1, device.Fixed % device.Most);
        var probe = new BatchProbe(device.Most, device.Budget);
        while (probe.Next is { } samples) probe = samples <= limit ? probe.Succeeded(samples, 0) : probe.Failed();
        Assert.InRange(probe.Result, (limit + 1) / 2, limit);
    });

    [Fact]
    public void All_that_is_of_use_is_enough() => Assert.Equal((100, 8), (Search(100, long.MaxValue, samples => samples).Answer, Search(100, long.MaxValue, samples => samples).Tried.Count));

    [Fact]
    public void Noise_in_what_was_measured_never_makes_it_go_on_for_ever() => Gen.Select(Gen.Int[1, 1_000_000], Gen.Long[0, 1L << 40].Array[40]).Sample((most, noise) =>
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
