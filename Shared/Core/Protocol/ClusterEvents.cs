using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;

namespace Distributed.Core.Protocol;

/// <summary>What a worker has found out before it may train; all but where its links are must be the same on all of them.</summary>
/// <param name="DataFingerprint">Hash of the data set.</param>
/// <param name="TrainSamples">Samples in the training set.</param>
/// <param name="TestSamples">Samples in the test set.</param>
/// <param name="Layout">Layout of a contribution.</param>
/// <param name="StateBytes">Bytes of a replica's serialized state.</param>
/// <param name="InitialDigest">Digest of the initial parameters and buffers.</param>
/// <param name="LinkHost">Where other workers reach its links: 1 to 255 characters. A star does without.</param>
/// <param name="LinkPort">Port of them: 1 to 65535.</param>
public sealed record WorkerFacts(
    string DataFingerprint, int TrainSamples, int TestSamples, VectorLayout Layout, long StateBytes, string InitialDigest, string LinkHost, int LinkPort)
{
    /// <summary>Bytes a state may have: it is one array.</summary>
    public static long MaxStateBytes => Array.MaxLength;

    /// <summary>Where other workers reach its links.</summary>
    public LinkEndpoint Endpoint => new(LinkHost, LinkPort);
}

/// <summary>What happens in the cluster, as its protocol sees it.</summary>
public abstract record ClusterEvent
{
    /// <summary>A worker has registered and prepares itself.</summary>
    public sealed record Registered(string Worker) : ClusterEvent;
    /// <summary>A worker has loaded its data and built its model. It holds the initial parameters, or those of an earlier part in the job.</summary>
    public sealed record Prepared(string Worker, WorkerFacts Facts, Holding Holding = default) : ClusterEvent;
    /// <summary>A worker is gone.</summary>
    public sealed record Lost(string Worker, string Why) : ClusterEvent;
    /// <summary>A worker that has ended is not started again. These are the started ones that run or will be started again; others are those that have come by themselves.</summary>
    public sealed record Supply(ImmutableHashSet<string> Living, string Why) : ClusterEvent;
    /// <summary>A worker wants to leave at the next step boundary.</summary>
    public sealed record Leaving(string Worker, string Why) : ClusterEvent;
    /// <summary>A worker's link to another broke, or could not be made, under a plan.</summary>
    public sealed record PeerLost(string Worker, int Generation, string Peer, string Why) : ClusterEvent;
    /// <summary>A worker has stopped; so many rounds are applied to its replica, whose parameters and buffers have this digest.</summary>
    public sealed record Halted(string Worker, int Generation, long Applied, StateDigest Digest = default) : ClusterEvent;
    /// <summary>A worker has caught up.</summary>
    public sealed record Synced(string Worker, int Generation, long Applied, StateDigest Digest = default) : ClusterEvent;
    /// <summary>A worker reports from steady state that it has applied so many rounds.</summary>
    public sealed record Reached(string Worker, long Applied) : ClusterEvent;
    /// <summary>What should have happened has not, for longer than it ever took.</summary>
    public sealed record Overdue(string Why) : ClusterEvent;
    /// <summary>Workers should compute other shares of a step from now on; whoever is not named, and all when the workers change, the same.</summary>
    public sealed record Unbalanced(ImmutableDictionary<string, int> Shares, string Why) : ClusterEvent;
    /// <summary>The coordinator has stored a newer state.</summary>
    public sealed record Stored(StoredState State) : ClusterEvent;
    /// <summary>The state that the coordinator had stored cannot be read any more; the one before it can, if there is one.</summary>
    public sealed record Damaged(StoredState? Next, string Why) : ClusterEvent;
    /// <summary>A coordinator that was started again has waited long enough for the workers of its last plan.</summary>
    public sealed record ReturnOver : ClusterEvent;
    /// <summary>The final state has arrived from a worker.</summary>
    public sealed record Collected : ClusterEvent;
    /// <summary>The result is on the disk.</summary>
    public sealed record Saved : ClusterEvent;
}

/// <summary>What the coordinator does, as the protocol decides.</summary>
public abstract record ClusterEffect
{
    /// <summary>Turn a worker away: for good, or until it offers itself anew.</summary>
    public sealed record Refuse(string Worker, string Reason, bool MayReturn = false) : ClusterEffect;
    /// <summary>The sizes of the job are known: get ready to reduce.</summary>
    public sealed record Open(WorkerFacts Facts, Rounds Rounds) : ClusterEffect;
    /// <summary>Ask a worker to stop and to say how far it is.</summary>
    public sealed record Halt(string Worker, int Generation) : ClusterEffect;
    /// <summary>Have one worker's state sent to another.</summary>
    public sealed record Transfer(string Donor, string Receiver, int Generation) : ClusterEffect;
    /// <summary>Have this state that the coordinator has stored, and no newer one, sent to a worker.</summary>
    public sealed record Load(string Receiver, int Generation, StoredState State) : ClusterEffect;
    /// <summary>Put a plan in force, in the reducer of a star first and then at its workers. <paramref name="Endpoints"/>: where
    /// the workers of a mesh reach each other, in the plan's order; empty in a star.</summary>
    public sealed record Begin(Plan Plan, ImmutableArray<LinkEndpoint> Endpoints) : ClusterEffect;
    /// <summary>Tell a worker that it may go.</summary>
    public sealed record Dismiss(string Worker) : ClusterEffect;
    /// <summary>Tell people that a worker wants to leave and may not yet, since nobody else holds the parameters.</summary>
    public sealed record HoldBack(string Worker) : ClusterEffect;
    /// <summary>Have this worker's state sent to the coordinator: the result.</summary>
    public sealed record Collect(string Donor, int Generation) : ClusterEffect;
    /// <summary>Write the result to the disk; answer with <see cref="ClusterEvent.Saved"/>. Until then the workers stay, who hold it too.</summary>
    public sealed record Save : ClusterEffect;
    /// <summary>The job is done, and its result is on the disk.</summary>
    public sealed record Finish : ClusterEffect;
    /// <summary>The job cannot go on; <paramref name="IsMismatch"/>: since two replicas have other bits after the same rounds.</summary>
    public sealed record Fail(string Reason, bool IsMismatch = false) : ClusterEffect;
    /// <summary>Something a person wants to know; <paramref name="Lost"/> names the worker that is gone, if that is what it is.</summary>
    public sealed record Announce(string Text, string? Lost = null) : ClusterEffect;
}

/// <summary>What makes a generation begin.</summary>
public enum GenerationCause
{
    /// <summary>Enough workers are there for the first time.</summary>
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
    /// <summary>What should have happened has not.</summary>
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
public sealed record GenerationStart(int Number, GenerationCause Cause, string Reason);

/// <summary>A state that the coordinator has stored, for when nobody is left who holds a newer one.</summary>
/// <param name="Applied">Rounds applied to it.</param>
/// <param name="Digest">Of its parameters and buffers.</param>
public sealed record StoredState(long Applied, StateDigest Digest);

/// <summary>How far the coordinator sees a worker.</summary>
public enum MemberStatus
{
    /// <summary>Loads its data and builds its model.</summary>
    Preparing,
    /// <summary>Was asked to stop, or waits for the first plan.</summary>
    Ready,
    /// <summary>Has stopped and said how far it is.</summary>
    Halted,
    /// <summary>Is being sent what it lacks.</summary>
    Syncing,
    /// <summary>Has a part in the plan in force.</summary>
    Active,
}

/// <summary>A worker as the coordinator sees it.</summary>
/// <param name="Id">Unique in the job.</param>
/// <param name="Status">How far it is.</param>
/// <param name="Applied">Rounds applied to its replica, as last reported.</param>
/// <param name="Leaving">Whether it goes at the next step boundary.</param>
/// <param name="Endpoint">Where other workers reach its links, once it is prepared.</param>
/// <param name="Digest">Of its parameters and buffers, as reported when it had stopped or caught up.</param>
public sealed record Member(
    string Id, MemberStatus Status, long Applied, bool Leaving, LinkEndpoint Endpoint = default, StateDigest Digest = default);

/// <summary>What a worker holds of a job that it already had a part in.</summary>
/// <param name="Generation">The newest generation that it has heard of; 0 where it holds the initial parameters.</param>
/// <param name="Applied">Rounds applied, or a few more by now.</param>
public readonly record struct Holding(int Generation, long Applied)
{
    /// <summary>Counted up once a change of the cluster; nobody comes near it.</summary>
    public const int MaxGeneration = 1 << 30;
}

/// <summary>Where the cluster as a whole stands.</summary>
public enum ClusterPhase
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

/// <summary>What of the job decides its rounds.</summary>
/// <param name="Epochs">Passes over the training set.</param>
/// <param name="Batch">Samples a step; null for the whole training set.</param>
/// <param name="MicroBatches">Micro-batches a step.</param>
/// <param name="Relaxed">Whether a worker computes its share of a step in one pass.</param>
/// <param name="IsExact">Whether a round gives the same bits whoever computes it.</param>
public sealed record JobShape(int Epochs, int? Batch, int MicroBatches, bool Relaxed = false, bool IsExact = true)
{
    /// <summary>The rounds of the job with data of these sizes.</summary>
    public Rounds RoundsOf(WorkerFacts facts) => RoundsOf(facts.TrainSamples, facts.TestSamples);

    /// <summary>The rounds of the job with so many samples.</summary>
    public Rounds RoundsOf(int trainSamples, int testSamples) => new(trainSamples, testSamples, Epochs, Batch ?? trainSamples, MicroBatches, Relaxed);
}
