using System.Security.Cryptography;
using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Cluster;

/// <param name="Down">Removes a node from the cluster at once, which admits new nodes only while no node is missing.</param>
/// <param name="Save">Writes what a restarted coordinator needs; returns an error, or null.</param>
/// <param name="Describe">Writes the description of the data; returns an error, or null.</param>
/// <param name="Outcome">Creates the outcome that is written before the workers are dismissed.</param>
internal sealed record CoordinatorContext(
    string Job, string LinkHost, CoordinatorLinks Links, RunRecorder Recorder, CheckpointStore Checkpoints, TrainingMetrics Metrics,
    ScrapeTargets Targets, TaskCompletionSource<RunResult> Result,
    ILocalWorkers? Local = null, int MaxRestarts = 0, Action<Address>? Down = null, Func<ClusterProtocol, string?>? Save = null,
    InitialParameters? Initial = null,
    Func<DataDescription, string?>? Describe = null, DataSender? Data = null, Func<RunResult, IRunOutcome>? Outcome = null)
{
    /// <summary>Whether a worker holds the job's token because this or an earlier coordinator has admitted it before.</summary>
    internal bool HadPart(Register register) => CryptographicOperations.FixedTimeEquals(register.Token, Links.Token);
}
