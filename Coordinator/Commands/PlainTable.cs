using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>Tables without lines, at full width where the output is not a terminal.</summary>
internal static class PlainTable
{
    private const int Unlimited = 1 << 16;

    public static IAnsiConsole Console()
    {
        var console = AnsiConsole.Create(new());
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = Unlimited;
        return console;
    }

    /// <param name="columns">Names; a trailing <c>&gt;</c> aligns the column to the right.</param>
    public static Table With(params IEnumerable<string> columns)
    {
        var table = new Table { Border = TableBorder.None };
        foreach (var name in columns)
        {
            table.AddColumn(new TableColumn(new Text(name.TrimEnd('>'), new(decoration: Decoration.Underline)))
            {
                Alignment = name.EndsWith('>') ? Justify.Right : Justify.Left,
                Padding = new(0, 0, 2, 0),
            });
        }
        return table;
    }

    /// <summary>Adds a row of texts, without markup and without control characters.</summary>
    public static void AddTexts(this Table table, params IEnumerable<string> texts) =>
        table.AddRow(texts.Select(text => new Text(Shown.InFull(text))));
}
