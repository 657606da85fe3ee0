using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Scores;
using Prometheus;

namespace Distributed.Hosting.Metrics;

/// <summary>
/// What the coordinator tells Prometheus of a training. A value that is not known yet is absent rather than 0, which would
/// read as a perfect loss; counters and worker counts are there from the start. Counters begin anew with the process,
/// <see cref="MetricNames.Step"/> does not. Call from one thread at a time; reading is safe meanwhile.
/// </summary>
internal sealed class TrainingMetrics
{
    private static readonly GaugeConfiguration _absentUntilKnown = new() { SuppressInitialValue = true };

    private readonly Gauge _trainLoss;
    private readonly Gauge _testLoss;
    private readonly Gauge _testMetric;
    private readonly Gauge _learningRate;
    private readonly Gauge _gradientNorm;
    private readonly Gauge _epoch;
    private readonly Gauge _step;
    private readonly Gauge _jobSteps;
    private readonly Gauge _timeLeft;
    private readonly Counter _steps;
    private readonly Counter _samples;
    private readonly Gauge _samplesPerSecond;
    private readonly Gauge _generation;
    private readonly Gauge _workers;
    private readonly Counter _refusedCommands;
    private readonly Counter _deliveredBytes;

    /// <param name="registry">Where; a registry of its own for every training keeps them apart.</param>
    public TrainingMetrics(CollectorRegistry registry)
    {
        var metrics = Prometheus.Metrics.WithCustomRegistry(registry);
        _trainLoss = metrics.CreateGauge(MetricNames.TrainLoss,
            "Mean loss over the global batch of the last step, before it is applied.", _absentUntilKnown);
        _testLoss = metrics.CreateGauge(MetricNames.TestLoss, "Mean loss over the test set at the last evaluation.", _absentUntilKnown);
        _testMetric = metrics.CreateGauge(MetricNames.TestMetric,
            "The task's metric over the test set at the last evaluation: accuracy, 0 to 1, R2 and the like; more is better.", [MetricLabels.Metric]);
        _learningRate = metrics.CreateGauge(MetricNames.LearningRate, "Learning rate of the last step.", _absentUntilKnown);
        _gradientNorm = metrics.CreateGauge(MetricNames.GradientNorm,
            "L2 norm of the averaged gradient of the last step, before clipping.", _absentUntilKnown);
        _epoch = metrics.CreateGauge(MetricNames.Epoch, "Epoch of the last step, from 1; 0 before the first.");
        _step = metrics.CreateGauge(MetricNames.Step, "The last step, from 1, over the whole job; 0 before the first.");
        _jobSteps = metrics.CreateGauge(MetricNames.JobSteps, "Steps of the whole job.", _absentUntilKnown);
        _timeLeft = metrics.CreateGauge(MetricNames.TimeLeft, "Expected time to the last step.", _absentUntilKnown);
        _steps = metrics.CreateCounter(MetricNames.Steps, "Steps applied since the process started, each once, however often it was done.");
        _samples = metrics.CreateCounter(MetricNames.Samples, "Training samples of the steps applied since the process started.");
        _samplesPerSecond = metrics.CreateGauge(MetricNames.SamplesPerSecond,
            "Samples of the last step over the time it took.", _absentUntilKnown);
        _workers = metrics.CreateGauge(MetricNames.Workers, "Workers by how far they are.", [MetricLabels.State]);
        foreach (var state in Enum.GetNames<MemberStatus>()) _workers.WithLabels(state.ToLowerInvariant());
        _generation = SharedMetrics.Generation(metrics);
        _refusedCommands = metrics.CreateCounter(MetricNames.RefusedCommands, "Commands refused, since the caller did not hold the job's token.");
        _deliveredBytes = metrics.CreateCounter(MetricNames.DeliveredBytes, "Bytes of data sets that left for workers without them, since the process started.");
        Members = new(metrics);
        Cluster = new(metrics);
        Checkpoints = new(metrics);
        Links = new(metrics);
        Control = new(metrics);
    }

    public MemberMetrics Members { get; }

    public ClusterMetrics Cluster { get; }

    public CheckpointMetrics Checkpoints { get; }

    /// <summary>A command was refused. Safe from every thread.</summary>
    public void CommandRefused() => _refusedCommands.Inc();

    /// <summary>So many more bytes of a data set leave for a worker that has not got it. Safe from every thread.</summary>
    /// <param name="bytes">0 or more.</param>
    public void DataSent(int bytes) => _deliveredBytes.Inc(bytes);

    public LinkMetrics Links { get; }

    public ControlMetrics Control { get; }

    /// <summary>A training round is applied: to be called once a round, however many workers report it.</summary>
    /// <param name="gradientNorm">L2 norm of the averaged gradient, before clipping.</param>
    /// <param name="samplesPerSecond">Its samples over the time it took.</param>
    /// <exception cref="ArgumentException">The round is an evaluation.</exception>
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

    /// <param name="metric">The task's, likewise.</param>
    public void Evaluated(double loss, MetricValue metric)
    {
        _testLoss.Set(loss);
        _testMetric.WithLabels(metric.Metric.Name).Set(metric.Value);
    }

    public void JobSteps(long steps) => _jobSteps.Set(steps);

    /// <summary>So much time is left; null where it cannot be told.</summary>
    public void TimeLeft(TimeSpan? time)
    {
        if (time is { } left) _timeLeft.Set(left.TotalSeconds);
        else _timeLeft.Unpublish();
    }

    public void GenerationBegan(int generation) => _generation.Set(generation);

    /// <summary>How many workers are in which state now.</summary>
    /// <param name="byState">By <see cref="MemberStatus"/> in lower case; a state that is missing has no workers.</param>
    public void Workers(IReadOnlyDictionary<string, int> byState)
    {
        foreach (var labels in _workers.GetAllLabelValues())
            if (!byState.ContainsKey(labels[0])) _workers.WithLabels(labels).Set(0);
        foreach (var (state, count) in byState) _workers.WithLabels(state).Set(count);
    }
}
