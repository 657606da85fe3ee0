namespace Distributed.Hosting.Metrics;

/// <summary>The names of all metrics, which dashboards, alerts and code share; docs/metrics.md describes each. They have base units and the
/// suffixes of https://prometheus.io/docs/practices/naming/. Those that only workers export begin with distributed_worker_.</summary>
internal static class MetricNames
{
    public const string Prefix = "distributed_";

    // Of every process.
    public const string Generation = Prefix + "generation";
    public const string RefusedFrames = Prefix + "refused_frames_total";
    public const string RefusedConnections = Prefix + "refused_connections_total";
    public const string RefusedRequests = Prefix + "refused_requests_total";
    public const string CertificateExpires = Prefix + "certificate_expires_timestamp_seconds";
    public const string LinkBytes = Prefix + "link_bytes_total";
    public const string ResentFrames = Prefix + "resent_frames_total";
    public const string ControlMessages = Prefix + "control_messages_total";
    public const string RefusedMessages = Prefix + "refused_messages_total";
    public const string RepeatedMessages = Prefix + "repeated_messages_total";

    // Of the coordinator.
    public const string DeliveredBytes = Prefix + "delivered_bytes_total";
    public const string RefusedCommands = Prefix + "refused_commands_total";
    public const string TrainLoss = Prefix + "train_loss";
    public const string TestLoss = Prefix + "test_loss";
    public const string TestMetric = Prefix + "test_metric";
    public const string LearningRate = Prefix + "learning_rate";
    public const string GradientNorm = Prefix + "gradient_norm";
    public const string Epoch = Prefix + "epoch";
    public const string Step = Prefix + "step";
    public const string JobSteps = Prefix + "job_steps";
    public const string TimeLeft = Prefix + "time_left_seconds";
    public const string Steps = Prefix + "steps_total";
    public const string StepsRedone = Prefix + "steps_redone_total";
    public const string Samples = Prefix + "samples_total";
    public const string SamplesPerSecond = Prefix + "samples_per_second";
    public const string Workers = Prefix + "workers";
    public const string Behind = Prefix + "behind_seconds_total";
    public const string AssignedMicroBatches = Prefix + "assigned_micro_batches";
    public const string Generations = Prefix + "generations_total";
    public const string WorkerRestarts = Prefix + "local_worker_restarts_total";
    public const string ReconfigurationSeconds = Prefix + "reconfiguration_seconds";
    public const string DigestMismatches = Prefix + "digest_mismatches_total";
    public const string CheckpointSeconds = Prefix + "checkpoint_seconds";
    public const string CheckpointBytes = Prefix + "checkpoint_bytes";
    public const string CheckpointTimestamp = Prefix + "checkpoint_timestamp_seconds";
    public const string CheckpointFailures = Prefix + "checkpoint_failures_total";

    // Of a worker.
    public const string WorkerStepSeconds = Prefix + "worker_step_seconds";
    public const string WorkerReduceSeconds = Prefix + "worker_reduce_seconds_total";
    public const string WorkerRounds = Prefix + "worker_rounds_total";
    public const string WorkerSamples = Prefix + "worker_samples_total";
    public const string WorkerContributionBytes = Prefix + "worker_contribution_bytes_total";
    public const string WorkerMicroBatches = Prefix + "worker_micro_batches_total";
    public const string WorkerLoss = Prefix + "worker_train_loss";
    public const string WorkerLiveTensors = Prefix + "worker_live_tensors";
    public const string WorkerDeviceMemory = Prefix + "worker_device_memory_bytes";
    public const string WorkerInfo = Prefix + "worker_info";
}

internal static class MetricLabels
{
    public const string State = "state"; // A Core.Protocol.MemberStatus in lower case.
    public const string Plane = "plane"; // The purpose of a connection.
    public const string Control = "control"; // Membership, plans and reports.
    public const string Links = "links";
    public const string Http = "http"; // Metrics, probes and the live page.
    public const string Reason = "reason"; // Of a connection: a Transport.Security.Refusal in lower case.
    public const string Stale = "stale"; // Of a frame: it belongs to the past.
    public const string Violation = "violation"; // Of a frame: no correct peer sends it.
    public const string Unknown = "unknown"; // Of a message: this version does not know its kind.
    public const string Malformed = "malformed"; // Of a message: the content does not match its kind.
    public const string Oversize = "oversize"; // Of a message: it has more bytes than may be sent.
    public const string Killed = "killed"; // Of a restart: the worker's process was killed, or crashed.
    public const string Failed = "failed"; // Of a restart: the worker's process ended with an error, or could not be started.
    public const string Host = "host"; // Of a request: the process does not have this host name.
    public const string Token = "token"; // Of a request: the token of the page is missing.
    public const string Direction = "direction";
    public const string Sent = "sent";
    public const string Received = "received";
    public const string Message = "message"; // Name of the contract of a message, such as RoundsApplied.
    public const string Phase = "phase";
    public const string Compute = "compute"; // Forward and backward passes, and local sums.
    public const string Send = "send";
    public const string Wait = "wait";
    public const string Apply = "apply";
    public const string Kind = "kind";
    public const string Train = "train";
    public const string Evaluate = "evaluate";
    public const string When = "when";
    public const string Computing = "computing";
    public const string Waiting = "waiting"; // While the worker waited for the average.
    public const string Metric = "metric"; // The name of a Core.Scores.Metric.
    public const string Cause = "cause"; // Why a generation began: a Core.Protocol.GenerationCause in lower case.
    public const string Worker = "worker";
    public const string Device = "device"; // Such as cpu or cuda:0.
}
