using Distributed.Core.Planning;
using Distributed.Hosting.Messages;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>A worker's metrics. Unknown values are absent. Call from one thread at a time; reading is safe meanwhile.</summary>
internal sealed class WorkerMetrics(MetricFactory metrics, string device)
{
    // From a small model on a fast link to a straggler's minute; fine enough to read a median.
    private static readonly double[] _seconds =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Histogram.Child _compute = Phase(metrics, MetricLabels.Compute);
    private readonly Histogram.Child _send = Phase(metrics, MetricLabels.Send);
    private readonly Histogram.Child _wait = Phase(metrics, MetricLabels.Wait);
    private readonly Histogram.Child _apply = Phase(metrics, MetricLabels.Apply);
    private readonly Counter _reduce = metrics.CreateCounter(MetricNames.WorkerReduceSeconds,
        "Time spent reducing slices of training steps for all workers of a mesh. It lies within the phases send and wait, "
        + "or beside compute on the thread of the links: do not add it to them.");
    private readonly Work _train = new(metrics, MetricLabels.Train);
    private readonly Work _evaluate = new(metrics, MetricLabels.Evaluate);
    private readonly Counter.Child _sentComputing = Contribution(metrics, MetricLabels.Computing);
    private readonly Counter.Child _sentWaiting = Contribution(metrics, MetricLabels.Waiting);
    private readonly Gauge _loss = metrics.CreateLateGauge(MetricNames.WorkerLoss,
        "Mean loss over the global batch of the last training round.");
    private readonly Gauge _liveTensors = metrics.CreateGauge(MetricNames.WorkerLiveTensors,
        "Tensors alive in the process: rises steadily if one leaks.");
    private readonly Gauge _deviceMemory = metrics.CreateLateGauge(MetricNames.WorkerDeviceMemory,
        "Memory of the worker's CUDA device that is in use, by this and all other processes; absent on a CPU.");
    private readonly Gauge _info = metrics.CreateGauge(MetricNames.WorkerInfo,
        "Name of the worker in the job, and its device; always 1.", [MetricLabels.Worker, MetricLabels.Device]);
    private readonly Gauge _generation = SharedMetrics.Generation(metrics);

    public WorkerMetrics(CollectorRegistry registry, string device) : this(Prometheus.Metrics.WithCustomRegistry(registry), device) { }

    public LinkMetrics Links { get; } = new(metrics);
    public ControlMetrics Control { get; } = new(metrics);

    /// <summary>An evaluation changes neither the loss nor the times of a step.</summary>
    /// <param name="loss">Mean over the round's samples, including those of other workers.</param>
    public void RoundApplied(RoundKind kind, int microBatches, long samples, double loss, in RoundTimes times)
    {
        (kind == RoundKind.Train ? _train : _evaluate).Done(microBatches, samples);
        if (kind != RoundKind.Train) return;
        _loss.Set(loss);
        _compute.Observe(times.Compute);
        _send.Observe(times.Send);
        _wait.Observe(times.Wait);
        _apply.Observe(times.Apply);
        _reduce.Inc(times.Reduce);
    }

    /// <summary>Sets the bytes of contributions since the start: sent while the worker computed, and while it waited.</summary>
    public void ContributionsSent(long computing, long waiting)
    {
        _sentComputing.IncTo(computing);
        _sentWaiting.IncTo(waiting);
    }

    public void Named(string worker)
    {
        foreach (var former in _info.GetAllLabelValues()) _info.RemoveLabelled(former);
        _info.WithLabels(worker, device).Set(1);
    }

    public void GenerationBegan(int generation) => _generation.Set(generation);
    public void DeviceMemory(long bytes) => _deviceMemory.Set(bytes);
    public void LiveTensors(long count) => _liveTensors.Set(count);

    private static Histogram.Child Phase(MetricFactory metrics, string phase) => metrics.CreateHistogram(
        MetricNames.WorkerStepSeconds, "Time of the phases of a training step.",
        [MetricLabels.Phase], new HistogramConfiguration { Buckets = _seconds }).WithLabels(phase);

    private static Counter.Child Contribution(MetricFactory metrics, string when) => metrics.CreateCounter(
        MetricNames.WorkerContributionBytes, "Bytes of contributions that left over tensor links: "
        + "while the worker still computed (hidden), or while it waited for the average.", [MetricLabels.When]).WithLabels(when);

    private sealed class Work(MetricFactory metrics, string kind)
    {
        private readonly Counter.Child _rounds =
            metrics.CreateCounter(MetricNames.WorkerRounds, "Rounds that the replica went through.", [MetricLabels.Kind]).WithLabels(kind);
        private readonly Counter.Child _samples =
            metrics.CreateCounter(MetricNames.WorkerSamples, "Samples that the worker computed.", [MetricLabels.Kind]).WithLabels(kind);
        private readonly Counter.Child _microBatches = metrics.CreateCounter(
            MetricNames.WorkerMicroBatches, "Micro-batches that the worker computed.", [MetricLabels.Kind]).WithLabels(kind);

        public void Done(int microBatches, long samples)
        {
            _rounds.Inc();
            _samples.Inc(samples);
            _microBatches.Inc(microBatches);
        }
    }
}
