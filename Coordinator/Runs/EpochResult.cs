using System.Globalization;

namespace Distributed.Coordinator.Runs;

/// <summary>The evaluation at the end of an epoch. As a line of comma-separated values, its numbers are invariant and read back to the same bits.</summary>
public sealed record EpochResult
{
    /// <summary>Names the values of a line.</summary>
    public const string Header = "epoch,step,test_loss,test_accuracy";

    /// <summary>From 1.</summary>
    public required int Epoch { get; init; }

    /// <summary>The last step that was applied before the evaluation, from 1.</summary>
    public required long Step { get; init; }

    /// <summary>Mean over the test samples.</summary>
    public required double TestLoss { get; init; }

    /// <summary>Share of the test samples that were classified right, 0 to 1.</summary>
    public required double TestAccuracy { get; init; }

    /// <summary>As a line.</summary>
    public string ToLine() => string.Create(CultureInfo.InvariantCulture, $"{Epoch},{Step},{TestLoss:R},{TestAccuracy:R}");

    /// <summary>From a line.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static EpochResult Parse(string line) => line.Split(',') is [var epoch, var step, var loss, var accuracy]
        ? new()
        {
            Epoch = int.Parse(epoch, CultureInfo.InvariantCulture),
            Step = long.Parse(step, CultureInfo.InvariantCulture),
            TestLoss = double.Parse(loss, CultureInfo.InvariantCulture),
            TestAccuracy = double.Parse(accuracy, CultureInfo.InvariantCulture),
        }
        : throw new FormatException($"'{line}' is no line of evaluations; it has the values {Header}");
}
