using ScottPlot;
using ScottPlot.Plottables;
using SkiaSharp;

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
        foreach (var axis in plot.Axes.GetAxes()) axis.TickLabelStyle.FontSize = 13;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Grid.MajorLineColor = Colors.Black.WithAlpha(0.08);
        plot.Legend.FontSize = 14;
        plot.Legend.OutlineColor = Colors.Black.WithAlpha(0.15);
        plot.Legend.ShadowColor = Colors.Transparent;
        // A panel with an empty legend keeps the whole picture from being drawn.
        if (plot.GetPlottables().Any()) plot.ShowLegend(Edge.Bottom);
    }
}

internal static class PlotFont
{
    // In order of preference. Without them ScottPlot falls back to any font, often one with serifs.
    private static readonly string[] _fonts = ["Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans"];

    public static void Use(Plot plot)
    {
        if (_fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains) is not { } font) return;
        plot.Font.Set(font);
        // plot.Font covers axes and titles only.
        foreach (var text in plot.GetPlottables<Text>()) text.LabelFontName = font;
    }
}
