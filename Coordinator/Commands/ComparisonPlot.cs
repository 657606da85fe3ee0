using System.Globalization;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Distributed.Coordinator.Commands;

// Draws the training loss of runs over the samples that each had used. The axis is logarithmic, since one run may take thousands of steps
// where another takes its first.
internal static class ComparisonPlot
{
    private const int Width = 1200;
    private const int Height = 720;
    private const int Bins = 80; // Points of a curve, each a mean over several steps: few enough to smooth the noise of single steps

    public static void Save(string path, IReadOnlyList<ComparedRun> runs)
    {
        using var plot = new Plot();
        var palette = new ScottPlot.Palettes.Category10();
        var last = Math.Log10(Math.Max(2, runs.Max(run => run.Losses is [.., var end] ? end.Samples : 0)));
        var highest = 0.0;
        for (var i = 0; i < runs.Count; i++)
        {
            if (Curve(runs[i].Losses, last) is not [_, ..] points) continue;
            highest = Math.Max(highest, points.Max(point => point.Y));
            var line = plot.Add.Scatter(points, palette.GetColor(i));
            (line.LineWidth, line.MarkerSize, line.LegendText) = (2.5f, points.Length == 1 ? 9 : 0, runs[i].Name);
        }
        CurveStyle.Use(plot, "How fast they learn", "training samples used", "training loss");
        plot.Axes.SetLimitsX(0, last + 0.05);
        // The loss axis begins at 0, unless a loss is negative.
        if (highest > 0 && runs.All(run => run.Losses.All(point => !(point.Loss < 0)))) plot.Axes.SetLimitsY(0, 1.05 * highest);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic
        {
            MinorTickGenerator = new LogMinorTickGenerator(),
            IntegerTicksOnly = true,
            LabelFormatter = exponent => Math.Pow(10, exponent).ToString("#,0", CultureInfo.InvariantCulture),
        };
        AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes(Width, Height, ImageFormat.Png)));
    }

    /// <summary>The mean of each bin of the logarithmic axis that holds a step.</summary>
    private static Coordinates[] Curve(IReadOnlyList<LossPoint> losses, double last) =>
        [.. losses.Where(point => double.IsFinite(point.Loss))
            .GroupBy(point => (int)(Bins * Math.Log10(point.Samples) / last))
            .Select(bin => (Points: bin.ToList(), Steps: (double)bin.Sum(point => point.Steps)))
            .Select(bin => new Coordinates(
                bin.Points.Sum(point => point.Steps * Math.Log10(point.Samples)) / bin.Steps,
                bin.Points.Sum(point => point.Steps * point.Loss) / bin.Steps))];
}
