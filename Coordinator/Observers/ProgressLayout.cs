using Distributed.Coordinator.Runs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Distributed.Coordinator.Observers;

internal static class ProgressLayout
{
    private const int MaxWorkers = 16;
    private const int ShareWidth = 20;
    private const int MinBarWidth = 10;
    private const int MaxBarWidth = 60;

    private static readonly Style _dim = new(Color.Grey);
    private static readonly Style _done = new(Color.DodgerBlue1);
    private static readonly Style _strong = new(decoration: Decoration.Bold);

    private static readonly (string Name, Style Style, char Ascii, Func<WorkerProgress, double> Share)[] _shares =
    [
        ("compute", new(Color.Green3), 'c', w => w.ComputeShare),
        ("send", new(Color.DodgerBlue1), 's', w => w.SendShare),
        ("wait", new(Color.Orange1), 'w', w => w.WaitShare),
        ("apply", new(Color.MediumPurple1), 'a', w => w.ApplyShare),
    ];

    public static IRenderable Render(TrainingProgress p, Profile profile)
    {
        var unicode = profile.Capabilities.Unicode;
        var rows = new List<IRenderable> { Text.Empty, Headline(p), Bar(p, profile.Width, unicode), Numbers(p) };
        if (p.Workers.Length > 0)
        {
            // Without colours the shares are letters.
            var blocks = unicode && profile.Capabilities.ColorSystem != ColorSystem.NoColors;
            rows.AddRange([Workers(p, unicode, blocks), Legend(blocks)]);
        }
        return new Rows(rows);
    }

    private static Paragraph Headline(TrainingProgress p)
    {
        var line = new Paragraph().Append(p.Phase, _strong);
        return p.Epoch > 0 ? line.Append($"   epoch {p.Epoch}/{p.Epochs}") : line;
    }

    private static Paragraph Bar(TrainingProgress p, int width, bool unicode)
    {
        var share = p.Steps > 0 ? Math.Clamp((double)p.Step / p.Steps, 0, 1) : 0;
        var text = $"{Math.Floor(100 * share),4:0} %   step {p.Step}/{p.Steps}";
        var bar = Math.Clamp(width - text.Length - 1, MinBarWidth, MaxBarWidth);
        var done = (int)(share * bar);
        return new Paragraph()
            .Append(new string(unicode ? '━' : '#', done), _done)
            .Append(new string(unicode ? '━' : '-', bar - done), _dim)
            .Append(text);
    }

    private static Paragraph Numbers(TrainingProgress p)
    {
        var parts = new List<(string Label, string Value)>();
        if (p.Loss is { } loss) parts.Add(("loss ", ProgressText.Loss(loss)));
        if (p.TestMetric is { } metric) parts.Add(($"test {metric.Metric.Title} ", metric.Metric.Text(metric.Value)));
        if (p.SamplesPerSecond > 0) parts.Add(("", ProgressText.Speed(p.SamplesPerSecond)));
        if (p.TimeLeft is { } left) parts.Add(("time left ", ProgressText.Time(left)));
        return parts.Aggregate(new Paragraph(), (line, part) => line.Append(part.Label, _dim).Append(part.Value + "   "));
    }

    private static Table Workers(TrainingProgress p, bool unicode, bool blocks)
    {
        var table = new Table { Border = unicode ? TableBorder.Rounded : TableBorder.Ascii, BorderStyle = _dim };
        table.AddColumns("worker", "device", "doing");
        table.AddColumn(new TableColumn("micro-batches").RightAligned());
        table.AddColumn(new TableColumn("where the time goes").NoWrap());
        foreach (var worker in p.Workers.Take(MaxWorkers))
            table.AddRow(
                new Text(worker.Name), new Text(worker.Device), new Text(worker.Doing), new Text($"{worker.MicroBatches}"),
                Shares(worker, blocks));
        if (p.Workers.Length > MaxWorkers)
            table.Caption = new TableTitle($"and {p.Workers.Length - MaxWorkers} more", _dim);
        return table;
    }

    /// <summary>Each part of the bar ends at its rounded running sum, so that rounding errors do not add up.</summary>
    private static Paragraph Shares(WorkerProgress worker, bool blocks)
    {
        var line = new Paragraph();
        var (sum, drawn) = (0.0, 0);
        foreach (var (_, style, ascii, share) in _shares)
        {
            sum += double.IsFinite(share(worker)) ? Math.Max(0, share(worker)) : 0;
            var end = (int)Math.Round(Math.Min(1, sum) * ShareWidth);
            line.Append(new string(blocks ? '█' : ascii, end - drawn), style);
            drawn = end;
        }
        return line.Append(new string(blocks ? '░' : '.', ShareWidth - drawn), _dim);
    }

    private static Paragraph Legend(bool blocks) => _shares.Aggregate(
        new Paragraph(),
        (line, share) => line.Append(blocks ? "█ " : $"{share.Ascii} ", share.Style).Append(share.Name + "  ", _dim));
}
