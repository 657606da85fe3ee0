using System.Globalization;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

internal static class EvaluationTable
{
    /// <summary>A wider matrix does not fit a terminal; the picture has it.</summary>
    private const int MaxColumns = 20;

    /// <summary>Shows what there is of each class, and what is taken for what.</summary>
    public static void Write(IAnsiConsole console, EvaluationReport report)
    {
        if (report.Classes.Count == 0) return;
        var classes = new Table().AddColumns("class", "samples", "precision", "recall", "F1").Border(TableBorder.Simple);
        for (var i = 0; i < report.Classes.Count; i++)
        {
            var quality = report.Classes[i];
            classes.AddRow(Label(report, i), $"{quality.Samples}", Share(quality.Precision), Share(quality.Recall), Share(quality.F1));
        }
        console.Write(classes);
        if (report.Confusion.Count > MaxColumns) return;
        var matrix = new Table().AddColumn("is \\ taken for").Border(TableBorder.Simple);
        for (var i = 0; i < report.Confusion.Count; i++) matrix.AddColumn(new TableColumn(Label(report, i)).RightAligned());
        for (var i = 0; i < report.Confusion.Count; i++) matrix.AddRow([Label(report, i), .. report.Confusion[i].Select(count => count == 0 ? "." : $"{count}")]);
        console.Write(matrix);
    }

    /// <summary>Names of classes come from the data: a folder may be called anything.</summary>
    private static string Label(EvaluationReport report, int number) =>
        Markup.Escape(Shown.InFull(number < report.Labels.Count ? report.Labels[number] : $"{number}"));

    private static string Share(double? share) => share is { } known ? (100 * known).ToString("0.00", CultureInfo.InvariantCulture) + " %" : "-";
}
