using System.Globalization;
using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Distributed.Coordinator.Commands;

/// <summary>A picture of how fast runs learned: the training loss of each over the samples that it had used, on a logarithmic axis, since one
/// may take thousands of steps where another takes its first.</summary>
internal static class ComparisonPlot
{
    private const int Width = 1200;
    private const int Height = 720;

    /// <summary>Points of a curve, each the mean of the steps around it: as many as leave the losses of single samples readable.</summary>
    private const int Bins = 80;

    /// <summary>Writes a PNG. Values that are not finite are left out.</summary>
    /// <param name="runs">At least one.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
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
        // From where no loss is left; one that goes below has no such place.
        if (highest > 0 && runs.All(run => run.Losses.All(point => !(point.Loss < 0)))) plot.Axes.SetLimitsY(0, 1.05 * highest);
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic
        {
            MinorTickGenerator = new LogMinorTickGenerator(),
            IntegerTicksOnly = true,
            LabelFormatter = exponent => Math.Pow(10, exponent).ToString("#,0", CultureInfo.InvariantCulture),
        };
        AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes(Width, Height, ImageFormat.Png)));
    }

    /// <summary>The means over stretches of the axis, without those in which no step lies.</summary>
    private static Coordinates[] Curve(IReadOnlyList<LossPoint> losses, double last) =>
        [.. losses.Where(point => double.IsFinite(point.Loss))
            .GroupBy(point => (int)(Bins * Math.Log10(point.Samples) / last))
            .Select(bin => (Points: bin.ToList(), Steps: (double)bin.Sum(point => point.Steps)))
            .Select(bin => new Coordinates(
                bin.Points.Sum(point => point.Steps * Math.Log10(point.Samples)) / bin.Steps, bin.Points.Sum(point => point.Steps * point.Loss) / bin.Steps))];
}
