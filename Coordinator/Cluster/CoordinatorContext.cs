using System.Security.Cryptography;
using Akka.Actor;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Cluster;

/// <param name="Job">The resolved job file, as it goes to the workers.</param>
/// <param name="Targets">Is told where the workers' metrics are.</param>
/// <param name="Result">Receives the outcome.</param>
/// <param name="Local">The workers that this coordinator has started; null where there are none.</param>
/// <param name="MaxRestarts">How often those may be started again.</param>
/// <param name="Down">Takes the node at an address out of the cluster at once: a newcomer is let in only when nobody is missing.</param>
/// <param name="Initial">What workers begin with; null for parameters drawn from the seed.</param>
/// <param name="Data">Sends workers the data that they have not got; null where there is none to send.</param>
/// <param name="Describe">Writes down what the data is like; says what was wrong, in a user's words, null if nothing was.</param>
/// <param name="Outcome">Makes of the final state what is to be written before the workers are dismissed.</param>
/// <param name="Save">
/// Writes down what a coordinator needs that is started again; says what was wrong, in a user's words, null if nothing was.
/// </param>
internal sealed record CoordinatorContext(
    string Job, string LinkHost, CoordinatorLinks Links, RunRecorder Recorder, CheckpointDesk Checkpoints, TrainingMetrics Metrics,
    ScrapeTargets Targets, TaskCompletionSource<RunResult> Result,
    ILocalWorkers? Local = null, int MaxRestarts = 0, Action<Address>? Down = null, Func<ClusterProtocol, string?>? Save = null,
    InitialParameters? Initial = null,
    Func<DataDescription, string?>? Describe = null, DataDesk? Data = null, Func<RunResult, IRunOutcome>? Outcome = null)
{
    /// <summary>Whether a worker holds the token of the job: this coordinator has taken it in before, or one that this one follows.</summary>
    internal bool HadPart(Register register) => CryptographicOperations.FixedTimeEquals(register.Token, Links.Token);
}
