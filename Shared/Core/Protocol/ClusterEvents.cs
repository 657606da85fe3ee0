using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Core.Protocol;

/// <summary>What a worker reports before it may train; all but the endpoint of its links must be the same on all workers.</summary>
/// <param name="DataFingerprint">Hash of the data set.</param>
/// <param name="TrainSamples">Samples in the training set.</param>
/// <param name="TestSamples">Samples in the test set.</param>
/// <param name="Layout">Layout of a contribution.</param>
/// <param name="StateBytes">Bytes of a replica's serialized state.</param>
/// <param name="InitialDigest">Digest of the initial parameters and buffers.</param>
/// <param name="LinkHost">Host at which other workers reach its links: 1 to 255 characters; unused in a star.</param>
/// <param name="LinkPort">Port of them: 1 to 65535.</param>
public sealed record WorkerFacts(
    string DataFingerprint, int TrainSamples, int TestSamples, VectorLayout Layout, long StateBytes, string InitialDigest,
    string LinkHost, int LinkPort)
{
    /// <summary>Bytes a state may have: it is one array.</summary>
    public static long MaxStateBytes => Array.MaxLength;

    /// <summary>Where other workers reach its links.</summary>
    public LinkEndpoint Endpoint => new(LinkHost, LinkPort);
}

/// <summary>What happens in the cluster, as its protocol sees it.</summary>
internal abstract record ClusterEvent
{
    /// <summary>
    /// A worker has registered. <paramref name="HadPart"/>: it proved that it took part before; then it holds these rounds, can still
    /// report them from <paramref name="ReportsFrom"/> on, and the coordinator has records up to <paramref name="Recorded"/>.
    /// </summary>
    internal sealed record Registered(
        string Worker, bool HadPart = false, Holding Holding = default, long ReportsFrom = 0, long Recorded = 0) : ClusterEvent;
    /// <summary>A worker has loaded its data and model. It holds the initial parameters, or those of an earlier part in the job.</summary>
    internal sealed record Prepared(string Worker, WorkerFacts Facts, Holding Holding = default) : ClusterEvent;
    /// <summary>A worker has stopped with so many rounds applied; the coordinator has records up to <paramref name="Recorded"/>.</summary>
    internal sealed record Halted(
        string Worker, int Generation, long Applied, StateDigest Digest = default, long Recorded = long.MaxValue) : ClusterEvent;
    /// <summary>A worker has caught up.</summary>
    internal sealed record Synced(string Worker, int Generation, long Applied, StateDigest Digest = default) : ClusterEvent;
    /// <summary>A worker reports during training that it has applied so many rounds.</summary>
    internal sealed record Reached(string Worker, long Applied) : ClusterEvent;
    /// <summary>A worker reports rounds after some that no worker has reported.</summary>
    internal sealed record ReportsMissing(string Worker, string Why) : ClusterEvent;
    /// <summary>A report contradicts the records.</summary>
    internal sealed record RecordsContradicted(string Why) : ClusterEvent;
    /// <summary>A worker is gone. <paramref name="IsOwnFailure"/>: this coordinator started it, and it said that it cannot go on.</summary>
    internal sealed record Lost(string Worker, string Why, bool IsOwnFailure = false) : ClusterEvent;
    /// <summary>A worker's link to another broke, or could not be made, under a plan.</summary>
    internal sealed record PeerLost(string Worker, int Generation, string Peer, string Why) : ClusterEvent;
    /// <summary>A worker wants to leave at the next step boundary.</summary>
    internal sealed record Leaving(string Worker, string Why) : ClusterEvent;
    /// <summary>
    /// A local worker has ended and is not started again. <paramref name="Living"/> are the local workers that run or will be started;
    /// other members have joined by themselves.
    /// </summary>
    internal sealed record Supply(ImmutableHashSet<string> Living, string Why) : ClusterEvent;
    /// <summary>An expected event has not come for longer than it ever took.</summary>
    internal sealed record Overdue(string Why) : ClusterEvent;
    /// <summary>Workers should compute these shares of a step from now on; when the workers change, even shares apply again.</summary>
    internal sealed record Unbalanced(ImmutableDictionary<string, int> Shares, string Why) : ClusterEvent;
    /// <summary>The coordinator has stored a newer state.</summary>
    internal sealed record Stored(StoredState State) : ClusterEvent;
    /// <summary>A checkpoint to be sent under a generation is damaged; <paramref name="Next"/> is the newest intact one, if any.</summary>
    internal sealed record Damaged(int Generation, StoredState? Next, string Why) : ClusterEvent;
    /// <summary>A coordinator that was started again has waited long enough for the workers of its last plan.</summary>
    internal sealed record ReturnOver : ClusterEvent;
    /// <summary>The final state has arrived from a worker; <paramref name="Shortfall"/> says which records are missing, if any.</summary>
    internal sealed record Collected(string? Shortfall = null) : ClusterEvent;
    /// <summary>The result is on the disk.</summary>
    internal sealed record Saved : ClusterEvent;
}

/// <summary>Why the coordinator refuses a worker.</summary>
internal enum RefusalCause
{
    /// <summary>All rounds are applied.</summary>
    JobDone,
    /// <summary>It reports sizes that no model or data set has.</summary>
    ImpossibleSizes,
    /// <summary>Other workers cannot reach its links.</summary>
    ImpossibleEndpoint,
    /// <summary>It has other data.</summary>
    DataDiffers,
    /// <summary>It has another model.</summary>
    ModelDiffers,
    /// <summary>Its initial parameters have other bits.</summary>
    InitialDiffers,
    /// <summary>It holds more rounds than the job has.</summary>
    TooManyRounds,
    /// <summary>It reports a number of rounds that it cannot have applied.</summary>
    ImpossibleReport,
    /// <summary>It holds rounds that were rolled back. It may return.</summary>
    RolledBack,
    /// <summary>Its reports leave a gap in the records. It may return.</summary>
    ReportsMissing,
    /// <summary>It holds rounds that no worker has reported. It may return.</summary>
    Unreported,
    /// <summary>It did not answer. It may return.</summary>
    NoAnswer,
    /// <summary>It did not send the result. It may return.</summary>
    ResultMissing,
    /// <summary>Another worker cannot reach it. It may return.</summary>
    Unreachable,
}

/// <summary>Why a job fails.</summary>
internal enum FailureCause
{
    /// <summary>The batch is larger than the training set.</summary>
    BatchTooLarge,
    /// <summary>A local worker failed before there was anything to save.</summary>
    LocalWorker,
    /// <summary>Two replicas hold different bits after the same rounds.</summary>
    Mismatch,
    /// <summary>The records of the rounds are contradictory or incomplete.</summary>
    Records,
    /// <summary>All workers are lost, and no other can join.</summary>
    AllLost,
    /// <summary>Fewer local workers are left than the job needs.</summary>
    Starved,
}

/// <summary>What the coordinator does, as the protocol decides.</summary>
internal abstract record ClusterEffect
{
    /// <summary>Welcome a worker that has registered, and adopt the rounds that it holds or have it begin as a newcomer.</summary>
    internal sealed record Welcome(string Worker, bool IsAdopted) : ClusterEffect;
    /// <summary>Refuse a worker: for good, or until it registers again.</summary>
    internal sealed record Refuse(string Worker, RefusalCause Cause, string Reason) : ClusterEffect
    {
        /// <summary>Whether it may register again.</summary>
        public bool MayReturn => Cause >= RefusalCause.RolledBack;
    }
    /// <summary>The sizes of the job are known: prepare the reduction and the records.</summary>
    internal sealed record Open(WorkerFacts Facts, Rounds Rounds) : ClusterEffect;
    /// <summary>Ask a worker to stop and to report how many rounds it holds.</summary>
    internal sealed record Halt(string Worker, int Generation) : ClusterEffect;
    /// <summary>Have one worker's state sent to another.</summary>
    internal sealed record Transfer(string Donor, string Receiver, int Generation) : ClusterEffect;
    /// <summary>Send a worker this stored state, and no newer one.</summary>
    internal sealed record Load(string Receiver, int Generation, StoredState State) : ClusterEffect;
    /// <summary>
    /// Put a plan in force, at the reducer of a star first and then at its workers. <paramref name="Endpoints"/>: where the workers of a
    /// mesh reach each other, in the plan's order; empty in a star.
    /// </summary>
    internal sealed record Begin(Plan Plan, ImmutableArray<LinkEndpoint> Endpoints) : ClusterEffect;
    /// <summary>Tell a worker that it may go.</summary>
    internal sealed record Dismiss(string Worker) : ClusterEffect;
    /// <summary>Announce that a worker wants to leave and may not yet, since no other holds the parameters.</summary>
    internal sealed record HoldBack(string Worker) : ClusterEffect;
    /// <summary>Have this worker's state sent to the coordinator: the result.</summary>
    internal sealed record Collect(string Donor, int Generation) : ClusterEffect;
    /// <summary>Write the result to the disk, then answer with <see cref="ClusterEvent.Saved"/>. The workers stay until then.</summary>
    internal sealed record Save : ClusterEffect;
    /// <summary>The job is done, and its result is on the disk.</summary>
    internal sealed record Finish : ClusterEffect;
    /// <summary>The job cannot go on.</summary>
    internal sealed record Fail(FailureCause Cause, string Reason) : ClusterEffect;
    /// <summary>Announce something to the user; <paramref name="Lost"/> names a worker that is gone.</summary>
    internal sealed record Announce(string Text, string? Lost = null) : ClusterEffect;
}

/// <summary>What makes a generation begin.</summary>
internal enum GenerationCause
{
    /// <summary>Enough workers have joined for the first time.</summary>
    Start,
    /// <summary>A worker has joined.</summary>
    Joined,
    /// <summary>A worker was lost.</summary>
    Lost,
    /// <summary>A worker leaves as it wants to.</summary>
    Left,
    /// <summary>A worker was turned away.</summary>
    Refused,
    /// <summary>A link between two workers broke.</summary>
    Link,
    /// <summary>An expected event has not come.</summary>
    Silence,
    /// <summary>The shares of the workers change.</summary>
    Balance,
    /// <summary>A checkpoint could not be read.</summary>
    Checkpoint,
    /// <summary>The coordinator was started again.</summary>
    Coordinator,
}

/// <summary>Why a generation began.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Cause">In a word.</param>
/// <param name="Reason">In a user's words.</param>
internal sealed record GenerationStart(int Number, GenerationCause Cause, string Reason);

/// <summary>A state that the coordinator has stored, for when no worker holds a newer one.</summary>
/// <param name="Applied">Rounds applied to it.</param>
/// <param name="Digest">Of its parameters and buffers.</param>
internal sealed record StoredState(long Applied, StateDigest Digest);

/// <summary>The state of a worker, as the coordinator sees it.</summary>
internal enum MemberStatus
{
    /// <summary>Loads its data and builds its model.</summary>
    Preparing,
    /// <summary>Was asked to stop, or waits for the first plan.</summary>
    Ready,
    /// <summary>Has stopped and reported how many rounds it holds.</summary>
    Halted,
    /// <summary>Is being sent the rounds that it lacks.</summary>
    Syncing,
    /// <summary>Has a part in the plan in force.</summary>
    Active,
}

/// <summary>A worker as the coordinator sees it.</summary>
/// <param name="Id">Unique in the job.</param>
/// <param name="Status">Its state.</param>
/// <param name="Applied">Rounds applied to its replica, as last reported.</param>
/// <param name="Leaving">Whether it leaves at the next step boundary.</param>
/// <param name="Endpoint">Where other workers reach its links, once it is prepared.</param>
/// <param name="Digest">Of its parameters and buffers, as reported when it had stopped or caught up.</param>
internal sealed record Member(
    string Id, MemberStatus Status, long Applied, bool Leaving, LinkEndpoint Endpoint = default, StateDigest Digest = default);

/// <summary>The rounds that a worker holds of a job in which it took part.</summary>
/// <param name="Generation">The newest generation that it has heard of; 0 where it holds the initial parameters.</param>
/// <param name="Applied">Rounds applied, or a few more by now.</param>
public readonly record struct Holding(int Generation, long Applied)
{
    /// <summary>Far more changes of the cluster than any job has.</summary>
    public const int MaxGeneration = 1 << 30;
}

/// <summary>Where the cluster as a whole stands.</summary>
internal enum ClusterPhase
{
    /// <summary>Waits for enough workers.</summary>
    Gathering,
    /// <summary>Between two plans.</summary>
    Reconfiguring,
    /// <summary>A plan is in force.</summary>
    Training,
    /// <summary>All rounds are applied everywhere; the result is on its way.</summary>
    Collecting,
    /// <summary>The result has arrived at the coordinator, which writes it.</summary>
    Saving,
    /// <summary>Done.</summary>
    Finished,
    /// <summary>Cannot go on.</summary>
    Failed,
}

/// <summary>The part of a job that decides its rounds.</summary>
/// <param name="Epochs">Passes over the training set.</param>
/// <param name="Batch">Samples a step; null for the whole training set.</param>
/// <param name="MicroBatches">Micro-batches a step.</param>
/// <param name="Relaxed">Whether a worker computes its share of a step in one pass.</param>
/// <param name="IsExact">Whether the bits of a round do not depend on which worker computes it.</param>
public sealed record JobShape(int Epochs, int? Batch, int MicroBatches, bool Relaxed = false, bool IsExact = true)
{
    /// <summary>The rounds of the job with data of these sizes.</summary>
    public Rounds RoundsOf(WorkerFacts facts) => RoundsOf(facts.TrainSamples, facts.TestSamples);

    /// <summary>The rounds of the job with so many samples.</summary>
    public Rounds RoundsOf(int trainSamples, int testSamples) =>
        new(trainSamples, testSamples, Epochs, Batch ?? trainSamples, MicroBatches, Relaxed);
}
