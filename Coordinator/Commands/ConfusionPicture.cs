using Distributed.Coordinator.Runs;
using Distributed.Coordinator.Storage;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Distributed.Coordinator.Commands;

/// <summary>Draws a confusion matrix: a row for each actual class, darker cells for larger shares of it.</summary>
internal static class ConfusionPicture
{
    private const int Side = 900;
    private const int MaxLabelled = 20; // More numbers would be unreadable
    private const int MaxLabel = 30; // Longer names would leave no room for the matrix

    public static void Save(string path, string title, ConfusionMatrix matrix, IReadOnlyList<string> labels)
    {
        using var plot = new Plot();
        var shares = new double[matrix.Classes, matrix.Classes];
        for (var actual = 0; actual < matrix.Classes; actual++)
        {
            double samples = Math.Max(1, matrix.Rows()[actual].Sum());
            for (var predicted = 0; predicted < matrix.Classes; predicted++)
                shares[actual, predicted] = matrix[actual, predicted] / samples;
        }
        var map = plot.Add.Heatmap(shares);
        map.Colormap = new ScottPlot.Colormaps.CustomInterpolated([Colors.White, Color.FromHex("#1d4ed8")]);
        map.ManualRange = new(0, 1);
        map.FlipVertically = false;
        if (matrix.Classes <= MaxLabelled) AddCounts(plot, matrix, shares);
        plot.Axes.Bottom.TickGenerator = Ticks(labels, matrix.Classes, i => i);
        plot.Axes.Left.TickGenerator = Ticks(labels, matrix.Classes, i => matrix.Classes - 1 - i);
        plot.Axes.Margins(0, 0);
        plot.HideGrid();
        plot.Title(title, 22);
        plot.XLabel("predicted", 18);
        plot.YLabel("actual", 18);
        (plot.Axes.Bottom.TickLabelStyle.FontSize, plot.Axes.Left.TickLabelStyle.FontSize) = (16, 16);
        PlotFont.Use(plot);
        if (labels.Any(label => label.Length > 3))
        {
            // The first rendering creates the ticks that are measured next.
            plot.RenderInMemory(Side, Side);
            RotateLabels(plot.Axes.Bottom);
        }
        AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes(Side, Side, ImageFormat.Png)));
    }

    private static void AddCounts(Plot plot, ConfusionMatrix matrix, double[,] shares)
    {
        for (var i = 0; i < shares.Length; i++)
        {
            var (actual, predicted) = Math.DivRem(i, matrix.Classes);
            if (matrix[actual, predicted] == 0) continue;
            var text = plot.Add.Text($"{matrix[actual, predicted]}", predicted, matrix.Classes - 1 - actual);
            (text.LabelAlignment, text.LabelFontSize) = (Alignment.MiddleCenter, 18);
            text.LabelFontColor = shares[actual, predicted] > 0.5 ? Colors.White : Colors.Black;
        }
    }

    /// <summary>Also makes the axis high enough: ScottPlot measures its labels as if they were horizontal.</summary>
    private static void RotateLabels(IAxis axis)
    {
        const double Degrees = 40;
        using var paint = Paint.NewDisposablePaint();
        var style = axis.TickLabelStyle;
        var names = axis.TickGenerator.Ticks.Select(tick => style.Measure(tick.Label, paint).Size).ToList();
        var (width, height) = (names.Max(name => name.Width), names.Max(name => name.Height));
        var (sin, cos) = Math.SinCos(Degrees * Math.PI / 180);
        axis.MinimumSize = axis.Measure(paint) + (float)((width * sin) + (height * cos)) - height;
        (style.Rotation, style.Alignment) = ((float)-Degrees, Alignment.MiddleRight);
    }

    private static NumericManual Ticks(IReadOnlyList<string> labels, int classes, Func<int, int> place)
    {
        var ticks = new NumericManual();
        for (var i = 0; i < classes; i += (classes / MaxLabelled) + 1)
            ticks.AddMajor(place(i), i < labels.Count ? Short(labels[i]) : $"{i}");
        return ticks;
    }

    private static string Short(string label) => label.Length <= MaxLabel ? label : $"{label[..(MaxLabel - 3)]}...";
}
