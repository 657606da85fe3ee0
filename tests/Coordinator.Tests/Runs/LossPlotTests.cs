using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using SkiaSharp;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class LossPlotTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(1, 1)]
    [InlineData(50, 2)]
    [InlineData(5000, 5)]
    [InlineData(50_000, 20_000)]
    public void The_picture_is_a_png_that_is_not_empty(int steps, int epochs)
    {
        using var folder = new TemporaryFolder();
        LossPlot.Save(folder["loss.png"], "mnist-mlp", Curves(History(steps), Evaluations(steps, epochs)));
        using var picture = SKBitmap.Decode(folder["loss.png"]);
        Assert.Equal((1200, 640), (picture.Width, picture.Height));
        Assert.True(picture.Pixels.Distinct().Count() > 1);
        Assert.Equal([folder["loss.png"]], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_diverged_run_has_a_picture_too()
    {
        using var folder = new TemporaryFolder();
        HistoryRow[] history = [.. History(20).Select(r => r with { Loss = r.Step < 10 ? r.Loss : double.NaN })];
        LossPlot.Save(folder["loss.png"], "diverged",
            Curves(history, [new() { Epoch = 1, Step = 20, TestLoss = double.PositiveInfinity, TestMetric = new(Metric.Accuracy, 0.1) }]));
        using var picture = SKBitmap.Decode(folder["loss.png"]);
        Assert.True(picture.Pixels.Distinct().Count() > 1);
    }

    private static RunCurves Curves(HistoryRow[] history, EpochResult[] evaluations)
    {
        var curves = new RunCurves();
        foreach (var row in history) curves.Add(row);
        foreach (var evaluation in evaluations) curves.Add(evaluation);
        return curves;
    }

    private static HistoryRow[] History(int steps)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(1, steps).Select(step => new HistoryRow
        {
            Step = step,
            Epoch = 1,
            Loss = 0.1 + 2.2 * Math.Exp(-6.0 * step / steps) * (0.7 + 0.6 * random.NextDouble()),
            LearningRate = 0.1,
            GradientNorm = 1,
            SamplesPerSecond = 1000,
        })];
    }

    private static EpochResult[] Evaluations(int steps, int epochs) =>
        [.. Enumerable.Range(1, epochs).Select(epoch => new EpochResult
        {
            Epoch = epoch,
            Step = (long)steps * epoch / epochs,
            TestLoss = 0.12 + 1.5 * Math.Exp(-5.0 * epoch / epochs),
            TestMetric = new(Metric.Accuracy, 0.98 - 0.4 * Math.Exp(-4.0 * epoch / epochs)),
        })];
}
