using Distributed.Coordinator.Commands;
using Distributed.Jobs;
using SkiaSharp;

namespace Distributed.Coordinator.Tests.Comparison;

public sealed class ComparisonPlotTests
{
    [Fact]
    public void Each_run_has_a_curve_of_its_own_colour_even_if_it_diverged_or_has_one_step()
    {
        using var folder = new TemporaryFolder();
        var empty = Colours(folder, double.NaN);
        Assert.True(empty.Count > 1);
        Assert.All(new double[][] { [3, 2, 1, 1], [3, double.NaN, 2, double.PositiveInfinity], [2] }, losses =>
            Assert.NotEmpty(Colours(folder, losses).Except(empty)));
    }

    private static HashSet<SKColor> Colours(TemporaryFolder folder, params double[] losses)
    {
        var job = Job.Default with { Epochs = 4, Batch = null };
        var run = ComparedRun.Read(FinishedRun.Write(folder["run"], job, losses), "run");
        ComparisonPlot.Save(folder["compare.png"], [run, run with { Name = "again" }]);
        using var picture = SKBitmap.Decode(folder["compare.png"]);
        Assert.Equal((1200, 720), (picture.Width, picture.Height));
        return [.. picture.Pixels];
    }
}
