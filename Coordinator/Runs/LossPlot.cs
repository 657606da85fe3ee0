using Distributed.Coordinator.Storage;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Distributed.Coordinator.Runs;

/// <summary>The picture of a run: losses on the left axis, the metric on the right one. Omits non-finite values.</summary>
internal static class LossPlot
{
    private const int Width = 1200;
    private const int Height = 640;
    private const int MaxPoints = 4 * Width; // More points per column cannot be seen.

    private static readonly Color _train = Color.FromHex("#2563eb");
    private static readonly Color _test = Color.FromHex("#ea580c");
    private static readonly Color _metric = Color.FromHex("#15803d");

    public static void Save(string path, string title, RunCurves curves)
    {
        using var plot = new Plot();
        AddTrainLoss(plot, [.. curves.Train.Points.Where(point => double.IsFinite(point.Mean))]);
        AddTestLoss(plot, Points(curves.Test, scale: 1));
        AddMetric(plot, curves);
        Decorate(plot, title, Math.Max(curves.LastStep?.Step ?? 1, curves.LastEvaluation?.Step ?? 1));
        AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes(Width, Height, ImageFormat.Png)));
    }

    private static Coordinates[] Points(Curve curve, double scale) =>
        [.. curve.Points.Where(point => double.IsFinite(point.Mean)).Select(point => new Coordinates(point.Step, scale * point.Mean))];

    private static void AddTrainLoss(Plot plot, CurvePoint[] losses)
    {
        if (losses.Length == 0) return;
        var raw = plot.Add.ScatterLine(Thinned([.. losses.SelectMany(Extremes)]), _train.WithAlpha(0.25));
        raw.LineWidth = 1;
        var means = losses.Select(point => new Coordinates(point.Step, point.Mean));
        var smooth = plot.Add.ScatterLine(Thinned(Smoothed([.. means])), _train);
        smooth.LineWidth = 2.5f;
        smooth.LegendText = "training loss";
    }

    private static void AddTestLoss(Plot plot, Coordinates[] losses)
    {
        if (losses.Length == 0) return;
        var line = plot.Add.Scatter(losses, _test);
        (line.LineWidth, line.MarkerSize, line.LegendText) = (2, 9, "test loss");
    }

    // Keeps spikes where a point stands for several steps.
    private static Coordinates[] Extremes(CurvePoint point) =>
        point.Count == 1 ? [new(point.Step, point.Mean)] : [new(point.Step, point.Min), new(point.Step, point.Max)];

    private static void AddMetric(Plot plot, RunCurves curves)
    {
        var metric = curves.Metric;
        var one = metric.IsShare ? 100 : 1;
        var points = Points(curves.Tested, one);
        if (points.Length == 0)
        {
            plot.Axes.Right.FrameLineStyle.Width = 0;
            return;
        }
        var line = plot.Add.Scatter(points, _metric);
        (line.LineWidth, line.MarkerSize, line.LegendText) = (2, 9, $"test {metric.Title} (right)");
        (line.MarkerShape, line.LinePattern) = (MarkerShape.FilledDiamond, LinePattern.Dashed);
        line.Axes.YAxis = plot.Axes.Right;
        // The axis ends at 1 or 100 %, the best value of every metric, and begins at the tenth below the lowest point. A metric that began
        // far below 0 would hide the later points.
        var lowest = Math.Floor((10 * points.Min(p => p.Y) / one) - 0.1) / 10;
        plot.Axes.SetLimitsY(one * Math.Max(metric.IsShare ? 0 : -1, lowest), one, plot.Axes.Right);
        plot.Axes.Right.Label.Text = metric.IsShare ? $"{metric.Title} (%)" : metric.Title;
        plot.Axes.Right.Label.ForeColor = _metric;
        plot.Axes.Right.TickLabelStyle.ForeColor = _metric;
    }

    private static void Decorate(Plot plot, string title, long lastStep)
    {
        CurveStyle.Use(plot, title, "step", "loss");
        plot.Axes.SetLimitsX(0, 1.02 * lastStep);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };
        plot.Axes.Right.Label.FontSize = 16;
        plot.Axes.Right.Label.Bold = false;
    }

    private static Coordinates[] Smoothed(Coordinates[] points)
    {
        var reach = points.Length / 80;
        var sums = new double[points.Length + 1];
        for (var i = 0; i < points.Length; i++)
            sums[i + 1] = sums[i] + points[i].Y;
        return [.. points.Select((point, i) =>
        {
            var (begin, end) = (Math.Max(0, i - reach), Math.Min(points.Length, i + reach + 1));
            return new Coordinates(point.X, (sums[end] - sums[begin]) / (end - begin));
        })];
    }

    private static Coordinates[] Thinned(Coordinates[] points) => points.Length <= MaxPoints
        ? points
        : [.. points.Chunk(2 * points.Length / MaxPoints + 1)
            .SelectMany(c => (Coordinates[])[c.MinBy(p => p.Y), c.MaxBy(p => p.Y)])
            .OrderBy(p => p.X)];
}
