namespace Distributed.Hosting.Metrics;

/// <summary>
/// The name of every metric: what dashboards, alerts and code agree on. Base units, and the suffixes of
/// https://prometheus.io/docs/practices/naming/. What only workers export begins with distributed_worker_.
/// </summary>
internal static class MetricNames
{
    public const string Prefix = "distributed_";

    /// <summary>Gauge, of every process: the newest generation it knows.</summary>
    public const string Generation = Prefix + "generation";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Reason"/>: frames refused on tensor links.</summary>
    public const string RefusedFrames = Prefix + "refused_frames_total";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Plane"/> and <see cref="MetricLabels.Reason"/>: connections refused.</summary>
    public const string RefusedConnections = Prefix + "refused_connections_total";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Reason"/>: requests over HTTP that were refused.</summary>
    public const string RefusedRequests = Prefix + "refused_requests_total";
    /// <summary>Gauge, of every process with certificates: when the first of them that is in use expires, in seconds since 1970.</summary>
    public const string CertificateExpires = Prefix + "certificate_expires_timestamp_seconds";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Direction"/>: bytes on tensor links.</summary>
    public const string LinkBytes = Prefix + "link_bytes_total";
    /// <summary>Counter, of every process: frames sent once more under a newer generation.</summary>
    public const string ResentFrames = Prefix + "resent_frames_total";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Direction"/> and <see cref="MetricLabels.Message"/>: messages of the protocol.</summary>
    public const string ControlMessages = Prefix + "control_messages_total";
    /// <summary>Counter, of every process, by <see cref="MetricLabels.Reason"/>: messages of the protocol that were refused.</summary>
    public const string RefusedMessages = Prefix + "refused_messages_total";

    /// <summary>Counter, of every process: messages of the protocol that were sent again, since the other end had not heard them.</summary>
    public const string RepeatedMessages = Prefix + "repeated_messages_total";

    /// <summary>Counter, of the coordinator: bytes of data sets sent to workers that had none.</summary>
    public const string DeliveredBytes = Prefix + "delivered_bytes_total";

    /// <summary>Counter, of the coordinator: commands refused, since the caller did not hold the job's token.</summary>
    public const string RefusedCommands = Prefix + "refused_commands_total";

    /// <summary>Gauge: mean loss of the last step.</summary>
    public const string TrainLoss = Prefix + "train_loss";
    /// <summary>Gauge: mean loss of the last evaluation.</summary>
    public const string TestLoss = Prefix + "test_loss";
    /// <summary>Gauge, 0 to 1: accuracy of the last evaluation.</summary>
    public const string TestMetric = Prefix + "test_metric";
    /// <summary>Gauge: learning rate of the last step.</summary>
    public const string LearningRate = Prefix + "learning_rate";
    /// <summary>Gauge: gradient norm of the last step.</summary>
    public const string GradientNorm = Prefix + "gradient_norm";
    /// <summary>Gauge, from 1: epoch of the last step.</summary>
    public const string Epoch = Prefix + "epoch";
    /// <summary>Gauge, from 1: the last step.</summary>
    public const string Step = Prefix + "step";
    /// <summary>Gauge: steps of the whole job.</summary>
    public const string JobSteps = Prefix + "job_steps";
    /// <summary>Gauge: expected time to the last step.</summary>
    public const string TimeLeft = Prefix + "time_left_seconds";
    /// <summary>Counter: steps applied, each once.</summary>
    public const string Steps = Prefix + "steps_total";
    /// <summary>Counter: steps that had to be done again.</summary>
    public const string StepsRedone = Prefix + "steps_redone_total";
    /// <summary>Counter: training samples applied.</summary>
    public const string Samples = Prefix + "samples_total";
    /// <summary>Gauge: throughput of the last step.</summary>
    public const string SamplesPerSecond = Prefix + "samples_per_second";
    /// <summary>Gauge, by <see cref="MetricLabels.State"/>: workers.</summary>
    public const string Workers = Prefix + "workers";
    /// <summary>Counter, by <see cref="MetricLabels.Worker"/>: how far behind the fastest it was.</summary>
    public const string Behind = Prefix + "behind_seconds_total";
    /// <summary>Gauge, by <see cref="MetricLabels.Worker"/>: micro-batches of a step that are its own.</summary>
    public const string AssignedMicroBatches = Prefix + "assigned_micro_batches";

    /// <summary>Counter, by <see cref="MetricLabels.Cause"/>: generations that began.</summary>
    public const string Generations = Prefix + "generations_total";
    /// <summary>Counter, by <see cref="MetricLabels.Reason"/>: local workers started again.</summary>
    public const string WorkerRestarts = Prefix + "local_worker_restarts_total";
    /// <summary>Histogram: from the stop of a plan to the next plan.</summary>
    public const string ReconfigurationSeconds = Prefix + "reconfiguration_seconds";
    /// <summary>Counter: replicas whose bits differed.</summary>
    public const string DigestMismatches = Prefix + "digest_mismatches_total";
    /// <summary>Histogram: how long checkpoints took to be stored.</summary>
    public const string CheckpointSeconds = Prefix + "checkpoint_seconds";
    /// <summary>Gauge: bytes of the newest checkpoint.</summary>
    public const string CheckpointBytes = Prefix + "checkpoint_bytes";
    /// <summary>Gauge: when the newest checkpoint was written, in seconds since 1970.</summary>
    public const string CheckpointTimestamp = Prefix + "checkpoint_timestamp_seconds";
    /// <summary>Counter: checkpoints that could not be stored.</summary>
    public const string CheckpointFailures = Prefix + "checkpoint_failures_total";

    /// <summary>Histogram, by <see cref="MetricLabels.Phase"/>: where a worker's time of a step goes.</summary>
    public const string WorkerStepSeconds = Prefix + "worker_step_seconds";
    /// <summary>Counter: time spent reducing slices for all workers of a mesh, within and beside the phases of a step.</summary>
    public const string WorkerReduceSeconds = Prefix + "worker_reduce_seconds_total";
    /// <summary>Counter, by <see cref="MetricLabels.Kind"/>: rounds the replica went through.</summary>
    public const string WorkerRounds = Prefix + "worker_rounds_total";
    /// <summary>Counter, by <see cref="MetricLabels.Kind"/>: samples the worker computed.</summary>
    public const string WorkerSamples = Prefix + "worker_samples_total";
    /// <summary>Counter, by <see cref="MetricLabels.When"/>: bytes of contributions that left over tensor links.</summary>
    public const string WorkerContributionBytes = Prefix + "worker_contribution_bytes_total";
    /// <summary>Counter, by <see cref="MetricLabels.Kind"/>: micro-batches the worker computed.</summary>
    public const string WorkerMicroBatches = Prefix + "worker_micro_batches_total";
    /// <summary>Gauge: mean loss of the last training round, as this replica applied it.</summary>
    public const string WorkerLoss = Prefix + "worker_train_loss";
    /// <summary>Gauge: tensors alive in the process.</summary>
    public const string WorkerLiveTensors = Prefix + "worker_live_tensors";
    /// <summary>Gauge, of a worker with a CUDA device: memory of the device in use.</summary>
    public const string WorkerDeviceMemory = Prefix + "worker_device_memory_bytes";
    /// <summary>Always 1, by <see cref="MetricLabels.Worker"/> and <see cref="MetricLabels.Device"/>: who the worker is, once the job has taken it in.</summary>
    public const string WorkerInfo = Prefix + "worker_info";
}
