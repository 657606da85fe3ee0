using ScottPlot;

namespace Distributed.Coordinator.Runs;

internal static class CurveStyle
{
    private static readonly Color _text = Color.FromHex("#374151");

    public static void Use(Plot plot, string title, string bottom, string left)
    {
        PlotFont.Use(plot);
        plot.Title(title, size: 22);
        plot.Axes.Title.Label.ForeColor = _text;
        plot.XLabel(bottom, size: 16);
        plot.YLabel(left, size: 16);
        foreach (var axis in (IAxis[])[plot.Axes.Bottom, plot.Axes.Left])
        {
            axis.Label.ForeColor = _text;
            axis.Label.Bold = false;
            axis.TickLabelStyle.ForeColor = _text;
        }
        foreach (var axis in plot.Axes.GetAxes())
            axis.TickLabelStyle.FontSize = 13;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Grid.MajorLineColor = Colors.Black.WithAlpha(0.08);
        plot.Legend.FontSize = 14;
        plot.Legend.OutlineColor = Colors.Black.WithAlpha(0.15);
        plot.Legend.ShadowColor = Colors.Transparent;
        // A panel with an empty legend keeps the whole picture from being drawn.
        if (plot.GetPlottables().Any())
            plot.ShowLegend(Edge.Bottom);
    }
}
