using Distributed.Core.Planning;
using Distributed.Core.Scores;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Prometheus;

namespace Distributed.Shared.Tests.Metrics;

/// <summary>The metrics that each kind of process exports once all values are known.</summary>
internal static class ExportedMetrics
{
    /// <param name="ofProcess">Whether to include those of every .NET process.</param>
    public static Task<Exposition> OfCoordinator(bool ofProcess = false)
    {
        var registry = Registry(ofProcess);
        var metrics = new TrainingMetrics(registry);
        metrics.RoundApplied(new(0, RoundKind.Train, 0, 0, 0, 32, 4), loss: 1, learningRate: 0.1, gradientNorm: 2, samplesPerSecond: 100);
        metrics.Evaluated(1, new(Metric.Accuracy, 0.5));
        metrics.JobSteps(7);
        metrics.TimeLeft(TimeSpan.FromSeconds(3));
        metrics.Members.Computed("worker-1", 4);
        metrics.Members.Behind("worker-1", 0.5);
        metrics.Checkpoints.Found(1000, DateTimeOffset.UnixEpoch);
        metrics.Control.CertificateExpires(DateTimeOffset.UnixEpoch);
        return Exposition.Of(registry);
    }

    /// <param name="ofProcess">Whether to include those of every .NET process.</param>
    public static Task<Exposition> OfWorker(bool ofProcess = false)
    {
        var registry = Registry(ofProcess);
        var metrics = new WorkerMetrics(registry, "cuda:0");
        metrics.RoundApplied(RoundKind.Train, 4, 32, 1, new RoundTimes(1, 1, 1, 1));
        metrics.Named("worker-1");
        metrics.DeviceMemory(1 << 30);
        metrics.Control.CertificateExpires(DateTimeOffset.UnixEpoch);
        return Exposition.Of(registry);
    }

    private static CollectorRegistry Registry(bool ofProcess)
    {
        var registry = Prometheus.Metrics.NewCustomRegistry();
        if (ofProcess) ProcessMetrics.Register(registry);
        _ = new HttpMetrics(Prometheus.Metrics.WithCustomRegistry(registry));
        return registry;
    }
}
