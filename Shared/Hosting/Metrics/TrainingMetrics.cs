using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>The coordinator's metrics of a training. An unknown value is absent rather than 0, which would read as a perfect loss; counters
/// and numbers of workers are there from the start. Counters begin anew with the process, <see cref="MetricNames.Step"/> does not. Call
/// from one thread at a time unless a member says otherwise; reading is safe meanwhile.</summary>
internal sealed class TrainingMetrics(MetricFactory metrics)
{
    private readonly Gauge _trainLoss = metrics.CreateLateGauge(MetricNames.TrainLoss,
        "Mean loss over the global batch of the last step, before it is applied.");
    private readonly Gauge _testLoss = metrics.CreateLateGauge(MetricNames.TestLoss, "Mean loss over the test set at the last evaluation.");
    private readonly Gauge _testMetric = metrics.CreateGauge(MetricNames.TestMetric,
        "The task's metric over the test set at the last evaluation: accuracy, 0 to 1, R2 and the like; more is better.",
        [MetricLabels.Metric]);
    private readonly Gauge _learningRate = metrics.CreateLateGauge(MetricNames.LearningRate, "Learning rate of the last step.");
    private readonly Gauge _gradientNorm = metrics.CreateLateGauge(MetricNames.GradientNorm,
        "L2 norm of the averaged gradient of the last step, before clipping.");
    private readonly Gauge _epoch = metrics.CreateGauge(MetricNames.Epoch, "Epoch of the last step, from 1; 0 before the first.");
    private readonly Gauge _step = metrics.CreateGauge(MetricNames.Step, "The last step, from 1, over the whole job; 0 before the first.");
    private readonly Gauge _jobSteps = metrics.CreateLateGauge(MetricNames.JobSteps, "Steps of the whole job.");
    private readonly Gauge _timeLeft = metrics.CreateLateGauge(MetricNames.TimeLeft, "Expected time to the last step.");
    private readonly Counter _steps = metrics.CreateCounter(MetricNames.Steps,
        "Steps applied since the process started, each counted once even if it was redone.");
    private readonly Counter _samples = metrics.CreateCounter(MetricNames.Samples,
        "Training samples of the steps applied since the process started.");
    private readonly Gauge _samplesPerSecond = metrics.CreateLateGauge(MetricNames.SamplesPerSecond,
        "Samples of the last step over the time it took.");
    private readonly Gauge _workers = CreateWorkers(metrics);
    private readonly Gauge _generation = SharedMetrics.Generation(metrics);
    private readonly Counter _refusedCommands = metrics.CreateCounter(MetricNames.RefusedCommands,
        "Commands refused because the caller did not have the job's token.");
    private readonly Counter _deliveredBytes = metrics.CreateCounter(MetricNames.DeliveredBytes,
        "Bytes of data sets sent to workers without them, since the process started.");

    public TrainingMetrics(CollectorRegistry registry) : this(Prometheus.Metrics.WithCustomRegistry(registry)) { }

    public MemberMetrics Members { get; } = new(metrics);
    public ClusterMetrics Cluster { get; } = new(metrics);
    public CheckpointMetrics Checkpoints { get; } = new(metrics);
    public LinkMetrics Links { get; } = new(metrics);
    public ControlMetrics Control { get; } = new(metrics);

    public void CommandRefused() => _refusedCommands.Inc(); // Safe from every thread.
    public void DataSent(int bytes) => _deliveredBytes.Inc(bytes); // Safe from every thread.

    /// <summary>Call it once per training round, however many workers report the round.</summary>
    public void RoundApplied(in Round round, double loss, double learningRate, double gradientNorm, double samplesPerSecond)
    {
        if (round.Kind != RoundKind.Train)
            throw new ArgumentException($"round {round.Number} is of kind {round.Kind}: only training rounds are applied", nameof(round));
        _trainLoss.Set(loss);
        _learningRate.Set(learningRate);
        _gradientNorm.Set(gradientNorm);
        _samplesPerSecond.Set(samplesPerSecond);
        _epoch.Set(round.Epoch + 1);
        _step.Set(round.Step + 1);
        _steps.Inc();
        _samples.Inc(round.Samples);
    }

    public void Evaluated(double loss, MetricValue metric)
    {
        _testLoss.Set(loss);
        _testMetric.WithLabels(metric.Metric.Name).Set(metric.Value);
    }

    /// <param name="time">Null if unknown.</param>
    public void TimeLeft(TimeSpan? time)
    {
        if (time is { } left) _timeLeft.Set(left.TotalSeconds);
        else _timeLeft.Unpublish();
    }

    public void JobSteps(long steps) => _jobSteps.Set(steps);
    public void GenerationBegan(int generation) => _generation.Set(generation);

    /// <param name="byState">By <see cref="MemberStatus"/> in lower case; missing states have no workers.</param>
    public void Workers(IReadOnlyDictionary<string, int> byState)
    {
        foreach (var labels in _workers.GetAllLabelValues())
            if (!byState.ContainsKey(labels[0])) _workers.WithLabels(labels).Set(0);
        foreach (var (state, count) in byState) _workers.WithLabels(state).Set(count);
    }

    private static Gauge CreateWorkers(MetricFactory metrics)
    {
        var workers = metrics.CreateGauge(MetricNames.Workers, "Workers by their state.", [MetricLabels.State]);
        foreach (var state in Enum.GetNames<MemberStatus>()) workers.WithLabels(state.ToLowerInvariant());
        return workers;
    }
}
