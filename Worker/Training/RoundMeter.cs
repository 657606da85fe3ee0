using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Worker.Natives;
using static TorchSharp.torch;

namespace Distributed.Worker.Training;

/// <summary>A worker's metrics of the rounds that it has applied. Used by the replica's thread, which computes with the device.</summary>
internal sealed class RoundMeter(WorkerMetrics metrics, bool hasDeviceMemory)
{
    public void Measure(IReadOnlyList<AppliedRound> rounds)
    {
        foreach (var (report, kind, samples) in rounds)
        {
            var loss = report.Tallies[Tally.Loss] / report.Tallies[Tally.Samples];
            metrics.RoundApplied(kind, report.MicroBatches, samples, loss, report.Times);
        }
        metrics.LiveTensors(Tensor.TotalCount);
        if (hasDeviceMemory && DeviceMemory.Used() is { } bytes) metrics.DeviceMemory(bytes);
    }

    /// <param name="computing">Bytes of gradient sums that left while the replica computed, since the start.</param>
    /// <param name="waiting">Bytes that left while it waited for the average, since the start.</param>
    public void Sent(long computing, long waiting) => metrics.ContributionsSent(computing, waiting);
}
