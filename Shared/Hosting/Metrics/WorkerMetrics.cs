using Distributed.Core.Planning;
using Distributed.Hosting.Messages;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>
/// What a worker tells Prometheus. What is not known yet is absent. Call from one thread at a time; reading is safe meanwhile.
/// </summary>
internal sealed class WorkerMetrics
{
    // From a small model on a fast link to a straggler's minute; close enough to read a median off.
    private static readonly double[] _seconds =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    private readonly Histogram.Child _compute;
    private readonly Histogram.Child _send;
    private readonly Histogram.Child _wait;
    private readonly Histogram.Child _apply;
    private readonly Counter _reduce;
    private readonly Work _train;
    private readonly Work _evaluate;
    private readonly Counter.Child _sentComputing;
    private readonly Counter.Child _sentWaiting;
    private readonly Gauge _loss;
    private readonly Gauge _liveTensors;
    private readonly Gauge _deviceMemory;
    private readonly Gauge _info;
    private readonly string _device;
    private readonly Gauge _generation;

    /// <param name="registry">Where; a registry of its own for every worker keeps them apart.</param>
    /// <param name="device">What the worker computes with, such as cpu or cuda:0.</param>
    public WorkerMetrics(CollectorRegistry registry, string device)
    {
        var metrics = Prometheus.Metrics.WithCustomRegistry(registry);
        _device = device;
        var seconds = metrics.CreateHistogram(MetricNames.WorkerStepSeconds, "Where the time of a training step went.",
            [MetricLabels.Phase], new HistogramConfiguration { Buckets = _seconds });
        (_compute, _send) = (seconds.WithLabels(MetricLabels.Compute), seconds.WithLabels(MetricLabels.Send));
        (_wait, _apply) = (seconds.WithLabels(MetricLabels.Wait), seconds.WithLabels(MetricLabels.Apply));
        _reduce = metrics.CreateCounter(MetricNames.WorkerReduceSeconds,
            "Time spent reducing slices of training steps for all workers of a mesh. It lies within the phases send and wait, or beside compute on the thread of the links: not to be added to them.");
        var rounds = metrics.CreateCounter(MetricNames.WorkerRounds, "Rounds that the replica went through.", [MetricLabels.Kind]);
        var samples = metrics.CreateCounter(MetricNames.WorkerSamples, "Samples that the worker computed.", [MetricLabels.Kind]);
        var microBatches = metrics.CreateCounter(MetricNames.WorkerMicroBatches, "Micro-batches that the worker computed.", [MetricLabels.Kind]);
        Work Of(string kind) => new(rounds.WithLabels(kind), samples.WithLabels(kind), microBatches.WithLabels(kind));
        (_train, _evaluate) = (Of(MetricLabels.Train), Of(MetricLabels.Evaluate));
        var sent = metrics.CreateCounter(MetricNames.WorkerContributionBytes,
            "Bytes of contributions that left over tensor links: while the worker still computed (hidden), or while it waited for the average.", [MetricLabels.When]);
        (_sentComputing, _sentWaiting) = (sent.WithLabels(MetricLabels.Computing), sent.WithLabels(MetricLabels.Waiting));
        _loss = metrics.CreateGauge(MetricNames.WorkerLoss, "Mean loss over the global batch of the last training round.",
            new GaugeConfiguration { SuppressInitialValue = true });
        _liveTensors = metrics.CreateGauge(MetricNames.WorkerLiveTensors, "Tensors alive in the process: rises without end where one leaks.");
        _deviceMemory = metrics.CreateGauge(MetricNames.WorkerDeviceMemory,
            "Memory of the worker's CUDA device that is in use, by this and all other processes; absent on a CPU.", new GaugeConfiguration { SuppressInitialValue = true });
        _info = metrics.CreateGauge(MetricNames.WorkerInfo, "Who the worker is in the job, and what it computes with; always 1.", [MetricLabels.Worker, MetricLabels.Device]);
        _generation = SharedMetrics.Generation(metrics);
        Links = new(metrics);
        Control = new(metrics);
    }

    public LinkMetrics Links { get; }

    public ControlMetrics Control { get; }

    /// <param name="kind">An evaluation changes neither the loss nor the times of a step.</param>
    /// <param name="microBatches">Micro-batches that this worker computed, 0 or more.</param>
    /// <param name="samples">Samples in them, 0 or more.</param>
    /// <param name="loss">Mean over the round's samples, those of other workers included.</param>
    /// <param name="times">How long this worker took, in seconds.</param>
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

    /// <summary>So many bytes of contributions have left since the start.</summary>
    /// <param name="computing">While the worker computed.</param>
    /// <param name="waiting">While it waited for the average.</param>
    public void ContributionsSent(long computing, long waiting)
    {
        _sentComputing.IncTo(computing);
        _sentWaiting.IncTo(waiting);
    }

    public void GenerationBegan(int generation) => _generation.Set(generation);

    /// <summary>The job knows the worker by this id from now on.</summary>
    public void Named(string worker)
    {
        foreach (var former in _info.GetAllLabelValues()) _info.RemoveLabelled(former);
        _info.WithLabels(worker, _device).Set(1);
    }

    /// <summary>So many bytes of the device are in use now.</summary>
    public void DeviceMemory(long bytes) => _deviceMemory.Set(bytes);

    public void LiveTensors(long count) => _liveTensors.Set(count);

    private sealed record Work(Counter.Child Rounds, Counter.Child Samples, Counter.Child MicroBatches)
    {
        public void Done(int microBatches, long samples)
        {
            Rounds.Inc();
            Samples.Inc(samples);
            MicroBatches.Inc(microBatches);
        }
    }
}
