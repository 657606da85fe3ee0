using ScottPlot;
using SkiaSharp;

namespace Distributed.Coordinator.Runs;

/// <summary>The font of pictures.</summary>
internal static class PlotFont
{
    /// <summary>In order of preference; the plotting library itself falls back to any font at all, often one with serifs.</summary>
    private static readonly string[] _fonts = ["Segoe UI", "Helvetica Neue", "Arial", "Liberation Sans", "Noto Sans", "DejaVu Sans"];

    /// <summary>Uses the first that this machine has.</summary>
    public static void Use(Plot plot)
    {
        if (_fonts.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains) is { } font) plot.Font.Set(font);
    }
}
