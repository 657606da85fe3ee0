using System.Globalization;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>One step: a line of <c>history.csv</c>. Its numbers are culture-invariant and read back to the same bits.</summary>
internal sealed record HistoryRow
{
    public const string Header = "step,epoch,loss,learning_rate,gradient_norm,samples_per_second";

    // Step and epoch count from 1.
    public required long Step { get; init; }
    public required int Epoch { get; init; }
    public required double Loss { get; init; } // The mean over the samples of the step's global batch, before the step is applied.
    public required double LearningRate { get; init; }
    public required double GradientNorm { get; init; }
    public required double SamplesPerSecond { get; init; }

    public string ToLine() => string.Create(
        CultureInfo.InvariantCulture, $"{Step},{Epoch},{Loss:R},{LearningRate:R},{GradientNorm:R},{SamplesPerSecond:R}");

    public static HistoryRow? TryParse(ReadOnlySpan<byte> line)
    {
        var cells = new CsvCells(line);
        return cells.Long(out var step) && cells.Int(out var epoch) && cells.Double(out var loss) && cells.Double(out var rate)
            && cells.Double(out var norm) && cells.Double(out var speed) && cells.IsEnd
            ? new() { Step = step, Epoch = epoch, Loss = loss, LearningRate = rate, GradientNorm = norm, SamplesPerSecond = speed }
            : null;
    }
}

/// <summary>The evaluation at the end of an epoch: a line of <c>evaluations.csv</c>.</summary>
internal sealed record EpochResult
{
    public static string Header(Metric metric) => $"epoch,step,test_loss,test_{metric.Name}";

    // The epoch, and the last step before the evaluation, count from 1.
    public required int Epoch { get; init; }
    public required long Step { get; init; }
    public required double TestLoss { get; init; }
    public required MetricValue TestMetric { get; init; }

    public string ToLine() => string.Create(CultureInfo.InvariantCulture, $"{Epoch},{Step},{TestLoss:R},{TestMetric.Value:R}");

    public static EpochResult? TryParse(ReadOnlySpan<byte> line, Metric kind)
    {
        var cells = new CsvCells(line);
        return cells.Int(out var epoch) && cells.Long(out var step) && cells.Double(out var loss) && cells.Double(out var metric)
            && cells.IsEnd
            ? new() { Epoch = epoch, Step = step, TestLoss = loss, TestMetric = new(kind, metric) }
            : null;
    }
}

// Reads the numbers of a CSV line one after another without allocating. Any byte outside printable ASCII makes the line unreadable:
// .NET's parsers skip zero bytes behind a number, and a disk may hold pages of them.
internal ref struct CsvCells(ReadOnlySpan<byte> line)
{
    private readonly bool _isReadable = !line.ContainsAnyExceptInRange((byte)' ', (byte)'~');
    private ReadOnlySpan<byte> _rest = line;

    public bool IsEnd { get; private set; }

    // Whole numbers have no sign; a double may also be NaN or infinite.
    public bool Long(out long value) => long.TryParse(Next(), NumberStyles.None, CultureInfo.InvariantCulture, out value);
    public bool Int(out int value) => int.TryParse(Next(), NumberStyles.None, CultureInfo.InvariantCulture, out value);
    public bool Double(out double value) => double.TryParse(Next(), NumberStyles.Float, CultureInfo.InvariantCulture, out value);

    private ReadOnlySpan<byte> Next()
    {
        if (IsEnd || !_isReadable) return default;
        var comma = _rest.IndexOf((byte)',');
        var cell = comma < 0 ? _rest : _rest[..comma];
        IsEnd = comma < 0;
        _rest = comma < 0 ? default : _rest[(comma + 1)..];
        return cell;
    }
}
