using System.Globalization;
using System.Text;

namespace Distributed.Coordinator.Runs;

/// <summary>What one step did. As a line of comma-separated values, its numbers are invariant and read back to the same bits.</summary>
internal sealed record HistoryRow
{
    public const string Header = "step,epoch,loss,learning_rate,gradient_norm,samples_per_second";

    /// <summary>From 1, over the whole run.</summary>
    public required long Step { get; init; }

    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>Mean over the samples of the step's global batch, before the step is applied.</summary>
    public required double Loss { get; init; }

    /// <summary>The rate that the step was applied with.</summary>
    public required double LearningRate { get; init; }

    public required double GradientNorm { get; init; }

    /// <summary>Samples of the step over the time it took.</summary>
    public required double SamplesPerSecond { get; init; }

    public string ToLine() => string.Create(
        CultureInfo.InvariantCulture, $"{Step},{Epoch},{Loss:R},{LearningRate:R},{GradientNorm:R},{SamplesPerSecond:R}");

    /// <exception cref="FormatException">It is none.</exception>
    public static HistoryRow Parse(string line) =>
        TryParse(Encoding.UTF8.GetBytes(line)) ?? throw new FormatException($"'{line}' is no line of a history; it has the values {Header}");

    /// <summary>From a line; null where it is none.</summary>
    public static HistoryRow? TryParse(ReadOnlySpan<byte> line)
    {
        var cells = new CsvCells(line);
        return cells.Long(out var step) && cells.Int(out var epoch) && cells.Double(out var loss) && cells.Double(out var rate)
            && cells.Double(out var norm) && cells.Double(out var speed) && cells.IsEnd
            ? new() { Step = step, Epoch = epoch, Loss = loss, LearningRate = rate, GradientNorm = norm, SamplesPerSecond = speed }
            : null;
    }
}
