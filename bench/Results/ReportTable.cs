using System.Globalization;
using Spectre.Console;

namespace Distributed.Bench.Results;

internal static class ReportTable
{
    /// <summary>Characters of a line in a file or a pipe.</summary>
    private const int FileWidth = 150;

    public static void Write(Report report, IAnsiConsole console)
    {
        var table = new Table().AddColumns("measure", "ours", "peer", "ratio", "goal", "met");
        foreach (var column in table.Columns.Skip(1).Take(3)) column.RightAligned();
        foreach (var row in report.Rows)
        {
            table.AddRow(
                new Text(row.Measure),
                new Text(row.Failure is null ? Number(row.Ours) : "failed"),
                new Text(Number(row.Peer)),
                new Text(row.Ratio?.ToString("0.000", CultureInfo.InvariantCulture) ?? ""),
                new Text(row.Goal ?? ""),
                new Text(row.Met switch { true => "yes", false => "NO", null => "" }));
        }
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = FileWidth;
        console.WriteLine($"{report.Machine}");
        console.Write(table);
        if (report.Machine.Peer is null)
            console.WriteLine("The peer's columns are empty: no Python with torch was found. Install python3-torch, or use --python.");
    }

    private static string Number(double? value) => value switch
    {
        null => "",
        >= 1000 or <= -1000 => value.Value.ToString("#,0", CultureInfo.InvariantCulture),
        >= 10 or <= -10 => value.Value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("0.000", CultureInfo.InvariantCulture),
    };
}
