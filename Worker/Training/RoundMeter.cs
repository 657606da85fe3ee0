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
        foreach (var (report, kind, samples, _, _) in rounds)
        {
            var loss = report.Tallies[Tally.Loss] / report.Tallies[Tally.Samples];
            metrics.RoundApplied(kind, report.MicroBatches, samples, loss, report.Times);
        }
        metrics.ContributionsSent(rounds[^1].SentComputing, rounds[^1].SentWaiting);
        metrics.LiveTensors(Tensor.TotalCount);
        if (hasDeviceMemory && DeviceMemory.Used() is { } bytes) metrics.DeviceMemory(bytes);
    }
}
