using Distributed.Core.Scores;

namespace Distributed.Shared.Tests.Kernel;

public sealed class MetricTests
{
    [Fact]
    public void No_metric_reads_more_sums_than_it_declares() =>
        Gen.Select(Gen.OneOfConst([.. Metric.All]), Gen.Double[0, 1000].Array[0, 500], Gen.Long[1, 1000])
            .Sample((metric, more, samples) => metric.Of([.. new double[metric.Sums], .. more], samples));

    [Fact]
    public void Each_metric_is_found_by_its_unique_name()
    {
        Assert.Equal(Metric.All.Count, Metric.All.Select(metric => metric.Name).Distinct().Count());
        Assert.All(Metric.All, metric => Assert.Same(metric, Metric.Find(metric.Name)));
    }

    [Fact]
    public void Fractions_are_shown_in_percent_and_other_numbers_unchanged()
    {
        Assert.Equal("accuracy 97.22 %", $"{new MetricValue(Metric.Accuracy, 0.97222)}");
        Assert.Equal("R² -0.500", $"{new MetricValue(Metric.R2, -0.5)}");
    }
}
