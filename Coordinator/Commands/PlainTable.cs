using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

/// <summary>Tables without lines, as wide as they need to be where nobody looks at a terminal.</summary>
internal static class PlainTable
{
    private const int Unlimited = 1 << 16;

    /// <summary>Standard output. What is not a terminal has no width to keep to.</summary>
    public static IAnsiConsole Console()
    {
        var console = AnsiConsole.Create(new());
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = Unlimited;
        return console;
    }

    /// <param name="columns">Their names; one of numbers, which stand to the right, ends in <c>&gt;</c>.</param>
    public static Table With(params IEnumerable<string> columns)
    {
        var table = new Table { Border = TableBorder.None };
        foreach (var name in columns)
        {
            var isNumeric = name.EndsWith('>');
            table.AddColumn(new TableColumn(new Text(name.TrimEnd('>'), new(decoration: Decoration.Underline)))
            {
                Alignment = isNumeric ? Justify.Right : Justify.Left,
                Padding = new(0, 0, 2, 0),
            });
        }
        return table;
    }

    /// <summary>Adds a row of texts, whatever they hold: no markup, and nothing that a terminal obeys.</summary>
    public static void AddTexts(this Table table, params IEnumerable<string> texts) =>
        table.AddRow(texts.Select(text => new Text(Shown.InFull(text))));
}
