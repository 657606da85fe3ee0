using System.Globalization;
using System.Text;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>The evaluation at the end of an epoch. As a line of comma-separated values, its numbers are invariant and read back to the same bits.</summary>
internal sealed record EpochResult
{
    public static string Header(Metric metric) => $"epoch,step,test_loss,test_{metric.Name}";

    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>The last step that was applied before the evaluation, from 1.</summary>
    public required long Step { get; init; }

    public required double TestLoss { get; init; }

    /// <summary>The task's metric over the test samples.</summary>
    public required MetricValue TestMetric { get; init; }

    public string ToLine() => string.Create(CultureInfo.InvariantCulture, $"{Epoch},{Step},{TestLoss:R},{TestMetric.Value:R}");

    /// <exception cref="FormatException">It is none.</exception>
    public static EpochResult Parse(string line, Metric kind) => TryParse(Encoding.UTF8.GetBytes(line), kind)
        ?? throw new FormatException($"'{line}' is no line of evaluations; it has an epoch, a step, a loss and a metric");

    /// <summary>From a line; null where it is none.</summary>
    public static EpochResult? TryParse(ReadOnlySpan<byte> line, Metric kind)
    {
        var cells = new CsvCells(line);
        return cells.Int(out var epoch) && cells.Long(out var step) && cells.Double(out var loss) && cells.Double(out var metric) && cells.IsEnd
            ? new() { Epoch = epoch, Step = step, TestLoss = loss, TestMetric = new(kind, metric) }
            : null;
    }
}
