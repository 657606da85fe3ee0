using ScottPlot;
using ScottPlot.Plottables;
using SkiaSharp;

namespace Distributed.Coordinator.Runs;

internal static class PlotFont
{
    /// <summary>In order of preference; the plotting library itself falls back to any font at all, often one with serifs.</summary>
    private static readonly string[] _fonts = ["Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans"];

    public static void Use(Plot plot)
    {
        if (_fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains) is not { } font) return;
        plot.Font.Set(font);
        // The plot's own font is that of its axes and titles alone.
        foreach (var text in plot.GetPlottables<Text>()) text.LabelFontName = font;
    }
}
