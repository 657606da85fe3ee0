using System.Globalization;
using Distributed.Jobs.Runs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

internal static class PredictionTable
{
    private const int MostProbable = 5;

    /// <summary>Shows a line for each image that there is a prediction for.</summary>
    public static void Write(IAnsiConsole console, IEnumerable<Prediction> predictions)
    {
        var table = PlainTable.With("file", "label", "probability>", "most probable");
        foreach (var prediction in predictions.Where(p => p.Error is null))
            table.AddTexts(prediction.File, prediction.Label!, Percent(prediction.Probability!.Value), string.Join(", ", prediction.Probabilities!
                .OrderByDescending(p => p.Value).Take(MostProbable).Select(p => $"{p.Key} {Percent(p.Value)}")));
        if (table.Rows.Count > 0) console.Write(table);
    }

    private static string Percent(float share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.00} %");
}
