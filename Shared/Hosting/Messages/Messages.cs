using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using MessagePack;

namespace Distributed.Hosting.Messages;

/// <summary>Everything that goes from process to process between actors; MessagePack by declared contract.</summary>
public interface IControlMessage;

/// <summary>What a worker says to the coordinator.</summary>
public interface IWorkerMessage : IControlMessage;

/// <summary>What the coordinator says to a worker.</summary>
public interface ICoordinatorMessage : IControlMessage;

/// <summary>What one end of a <see cref="Hosting.Messages.Conversation"/> says to the other.</summary>
/// <param name="Conversation">Which conversation it belongs to.</param>
/// <param name="Number">From 1, without gaps.</param>
/// <param name="Heard">Number of the last message that its sender has heard.</param>
/// <param name="Kind">Contract of the content.</param>
/// <param name="Body">The content.</param>
[MessagePackObject]
public sealed record Numbered(
    [property: Key(0)] long Conversation, [property: Key(1)] long Number, [property: Key(2)] long Heard, [property: Key(3)] string Kind, [property: Key(4)] byte[] Body) : IControlMessage
{
    /// <summary>The content as a message.</summary>
    /// <exception cref="System.Runtime.Serialization.SerializationException">It is none.</exception>
    [IgnoreMember]
    public IControlMessage Content => field ??= MessageCodec.Unpack(Kind, Body);

    /// <summary>Around a message.</summary>
    /// <exception cref="System.Runtime.Serialization.SerializationException">The message is too large.</exception>
    public static Numbered Of(long conversation, long number, long heard, IControlMessage content) =>
        new(conversation, number, heard, content.GetType().Name, MessageCodec.Pack(content));
}

/// <summary>What its sender has heard of a <see cref="Hosting.Messages.Conversation"/>, where it has nothing to say.</summary>
/// <param name="Conversation">Which conversation it is about.</param>
/// <param name="UpTo">Number of the last message that its sender has heard.</param>
[MessagePackObject]
public sealed record Heard([property: Key(0)] long Conversation, [property: Key(1)] long UpTo) : IControlMessage;

/// <summary>A worker offers itself, or itself again. Repeated until it is answered.</summary>
/// <param name="Version">Version of the protocol, <see cref="MessageCodec.Version"/>.</param>
/// <param name="Name">Name it would like to have: 1 to 63 letters, digits, dots, dashes or underscores. One that had a part in the job: its id.</param>
/// <param name="Device">What it computes with, for people.</param>
/// <param name="Token">Proves that it had a part in the job; empty for a newcomer.</param>
/// <param name="Generation">What it holds of the job, see <see cref="Core.Protocol.Holding"/>; 0 for a newcomer.</param>
/// <param name="Applied">What it holds of the job, see <see cref="Core.Protocol.Holding"/>; 0 for a newcomer.</param>
/// <param name="MetricsPort">Where its metrics are served, on the host of its node; not checked.</param>
/// <param name="ReportsFrom">The first round that it can still report.</param>
[MessagePackObject]
public sealed record Register(
    [property: Key(0)] int Version, [property: Key(1)] string Name, [property: Key(2)] string Device, [property: Key(3)] byte[] Token,
    [property: Key(4)] int Generation, [property: Key(5)] long Applied, [property: Key(6)] int MetricsPort = 0, [property: Key(7)] long ReportsFrom = 0) : IWorkerMessage
{
    /// <summary>As a value; its numbers are not checked.</summary>
    [IgnoreMember]
    public Holding Holding => new(Generation, Applied);
}

/// <summary>The worker is taken in, and told what to prepare.</summary>
/// <param name="Worker">Its id in this job.</param>
/// <param name="Job">The resolved job file.</param>
/// <param name="LinkHost">Where to connect the tensor link.</param>
/// <param name="LinkPort">Port of it.</param>
/// <param name="Token">Proves on the link that the connection belongs to this job.</param>
/// <param name="IsAdopted">Whether it goes on with what it holds. A newcomer, or one whose past is not the job's, begins anew.</param>
/// <param name="ReportFrom">The first round that the coordinator has no report of.</param>
/// <param name="InitialBytes">Bytes of the safetensors file with the parameters to begin with, which comes over the link; 0 where they are drawn from the seed.</param>
/// <param name="IsInitialStrict">Whether that file must hold exactly the tensors of the model.</param>
/// <param name="Conversation">The conversation that begins with this: all that follows is <see cref="Numbered"/>.</param>
[MessagePackObject]
public sealed record Welcome(
    [property: Key(0)] string Worker, [property: Key(1), MessagePackFormatter(typeof(VerbatimText))] string Job, [property: Key(2)] string LinkHost,
    [property: Key(3)] int LinkPort, [property: Key(4)] byte[] Token, [property: Key(5)] bool IsAdopted,
    [property: Key(6)] long ReportFrom, [property: Key(7)] long InitialBytes = 0,
    [property: Key(8)] bool IsInitialStrict = true, [property: Key(9)] long Conversation = 0) : ICoordinatorMessage;

/// <summary>The worker has not got the job's data: has the coordinator?</summary>
/// <param name="Missing">What is not there, in a user's words.</param>
[MessagePackObject]
public sealed record FindData([property: Key(0)] string Missing) : IWorkerMessage;

/// <summary>The coordinator has the data, and sends it where <see cref="SendData"/> asks for it.</summary>
/// <param name="Key">The SHA-256 of its <see cref="Jobs.Data.DataManifest"/>, lower-case hexadecimal: whoever has got it already knows it by that.</param>
/// <param name="ManifestBytes">Bytes of the manifest, which comes first.</param>
/// <param name="Bytes">Bytes of all files, which follow.</param>
[MessagePackObject]
public sealed record DataFound(
    [property: Key(0)] string Key, [property: Key(1)] int ManifestBytes, [property: Key(2)] long Bytes) : ICoordinatorMessage;

/// <summary>The coordinator has no data to send.</summary>
/// <param name="Reason">In a user's words.</param>
[MessagePackObject]
public sealed record NoData([property: Key(0)] string Reason) : ICoordinatorMessage;

/// <summary>Send the data over the link, which stands.</summary>
/// <param name="Key">See <see cref="DataFound"/>.</param>
[MessagePackObject]
public sealed record SendData([property: Key(0)] string Key) : IWorkerMessage;

/// <summary>Reports of rounds before this one are safe, and need not be kept. Comes once in <see cref="MessageBounds.SafeInterval"/> rounds.</summary>
[MessagePackObject]
public sealed record ReportsSafe([property: Key(0)] long Before) : ICoordinatorMessage
{
    /// <summary>How many rounds lie between two of these, at most.</summary>
    public const int MaxInterval = 4096;
}

/// <summary>The worker is turned away.</summary>
/// <param name="Reason">In a user's words.</param>
/// <param name="MayReturn">Whether it may offer itself again.</param>
[MessagePackObject]
public sealed record Refused([property: Key(0)] string Reason, [property: Key(1)] bool MayReturn) : ICoordinatorMessage;

/// <summary>Before the run: find out how large a micro-batch may be, as the job leaves that to the memory of the workers; then offer yourself again.</summary>
/// <param name="Job">The job file, see <see cref="Jobs.AutoSize"/>.</param>
[MessagePackObject]
public sealed record Probe([property: Key(0), MessagePackFormatter(typeof(VerbatimText))] string Job) : ICoordinatorMessage;

/// <summary>Answer to <see cref="Probe"/>.</summary>
/// <param name="Samples">The largest micro-batch that fits, or that is of use; at least 1.</param>
/// <param name="TrainSamples">Samples of the training set.</param>
/// <param name="What">For people: of what memory that is.</param>
[MessagePackObject]
public sealed record Probed([property: Key(0)] int Samples, [property: Key(1)] int TrainSamples, [property: Key(2)] string What) : IWorkerMessage
{
    /// <summary>Characters that <see cref="What"/> may have.</summary>
    public const int MaxWhat = 500;
}

/// <summary>The worker has loaded its data, built its model and connected its link. See <see cref="WorkerFacts"/>.</summary>
[MessagePackObject]
public sealed record Prepared(
    [property: Key(0)] string DataFingerprint, [property: Key(1)] int TrainSamples, [property: Key(2)] int TestSamples,
    [property: Key(3)] int Floats, [property: Key(4)] int Tallies, [property: Key(5)] long StateBytes,
    [property: Key(6)] string InitialDigest, [property: Key(7)] string LinkHost, [property: Key(8)] int LinkPort,
    [property: Key(9)] int Generation, [property: Key(10)] long Applied, [property: Key(11)] string Initial = "",
    [property: Key(12), MessagePackFormatter(typeof(VerbatimText))] string Data = "") : IWorkerMessage
{
    /// <summary>Characters that <see cref="Initial"/> may have, which says what was taken from the file of parameters to begin with.</summary>
    public const int MaxInitial = 8192;

    /// <summary>As a message.</summary>
    /// <param name="facts">Its facts.</param>
    /// <param name="holding">What it holds of the job.</param>
    /// <param name="data">What its data is like: the JSON of a <see cref="Jobs.Runs.DataDescription"/>.</param>
    /// <param name="initial">What it has taken from the file of parameters to begin with.</param>
    public static Prepared Of(WorkerFacts facts, Holding holding, string data = "", string initial = "") => new(facts.DataFingerprint, facts.TrainSamples, facts.TestSamples, facts.Layout.Floats,
        facts.Layout.Tallies, facts.StateBytes, facts.InitialDigest, facts.LinkHost, facts.LinkPort, holding.Generation, holding.Applied, initial, data);

    /// <summary>What it holds of the job; its numbers are not checked.</summary>
    [IgnoreMember]
    public Holding Holding => new(Generation, Applied);

    /// <summary>As a value; its sizes are not checked.</summary>
    public WorkerFacts ToFacts() =>
        new(DataFingerprint, TrainSamples, TestSamples, new(Floats, Tallies), StateBytes, InitialDigest, LinkHost, LinkPort);
}

/// <summary>Stop at once; a new generation begins.</summary>
[MessagePackObject]
public sealed record Halt([property: Key(0)] int Generation) : ICoordinatorMessage;

/// <summary>Answer to <see cref="Halt"/>: so many rounds are applied, with this digest of the parameters and buffers.</summary>
[MessagePackObject]
public sealed record Halted([property: Key(0)] int Generation, [property: Key(1)] long Applied, [property: Key(2)] StateDigest Digest = default) : IWorkerMessage;

/// <summary>A laggard or newcomer has caught up, to this digest of the parameters and buffers.</summary>
[MessagePackObject]
public sealed record Synced([property: Key(0)] int Generation, [property: Key(1)] long Applied, [property: Key(2)] StateDigest Digest = default) : IWorkerMessage;

/// <summary>A plan is in force. See <see cref="Plan"/>.</summary>
/// <param name="Generation">Generation of the plan.</param>
/// <param name="FirstRound">First round under it.</param>
/// <param name="EndRound">The round after the last one.</param>
/// <param name="Workers">Ids of the workers.</param>
/// <param name="Topology">Who reduces.</param>
/// <param name="Hosts">Of a mesh: where each worker's links are reached; empty in a star.</param>
/// <param name="Ports">Ports of them.</param>
/// <param name="Shares">Micro-batches of each worker, see <see cref="Plan.Shares"/>; empty where all have the same share.</param>
/// <param name="Best">The most that the first metric has been over the test set in a checkpoint so far; not a number where there is none.</param>
[MessagePackObject]
public sealed record BeginPlan(
    [property: Key(0)] int Generation, [property: Key(1)] long FirstRound, [property: Key(2)] long EndRound,
    [property: Key(3)] string[] Workers, [property: Key(4)] Topology Topology, [property: Key(5)] string[] Hosts,
    [property: Key(6)] int[] Ports, [property: Key(7)] int[] Shares,
    [property: Key(8)] double Best = double.NaN) : ICoordinatorMessage
{
    /// <summary>As a message.</summary>
    public static BeginPlan Of(Plan plan, ImmutableArray<LinkEndpoint> endpoints, double best) => new(plan.Generation, plan.FirstRound, plan.EndRound,
        [.. plan.Workers], plan.Topology, [.. endpoints.Select(e => e.Host)], [.. endpoints.Select(e => e.Port)], [.. plan.Shares], best);

    /// <summary>The plan.</summary>
    /// <exception cref="ProtocolException">The message makes no plan.</exception>
    public Plan ToPlan()
    {
        if (Fault() is { } fault) throw new ProtocolException($"the coordinator sent a plan that is none: {fault}");
        return new(Generation, FirstRound, EndRound, ImmutableArray.Create(Workers), Topology) { Shares = ImmutableArray.Create(Shares) };
    }

    /// <summary>Where each worker of a mesh is reached, in the plan's order; empty in a star.</summary>
    /// <exception cref="ProtocolException">The message makes no plan.</exception>
    public ImmutableArray<LinkEndpoint> ToEndpoints() =>
        Fault() is { } fault ? throw new ProtocolException($"the coordinator sent a plan that is none: {fault}") : [.. Endpoints()];

    private string? Fault() => true switch
    {
        _ when Generation < 1 => $"generation {Generation}; allowed: 1 or more",
        _ when FirstRound < 0 || EndRound <= FirstRound => $"rounds {FirstRound} to {EndRound}; allowed: from 0 or more to more than that",
        _ when !Enum.IsDefined(Topology) => $"topology {Topology}; allowed: {Topology.Star} or {Topology.Mesh}",
        _ when Workers.Length == 0 || Workers.Distinct(StringComparer.Ordinal).Count() < Workers.Length =>
            $"{Workers.Length} workers; allowed: 1 or more, each once",
        _ when Hosts.Length != Ports.Length || Hosts.Length != (Topology == Topology.Star ? 0 : Workers.Length) =>
            $"{Hosts.Length} hosts and {Ports.Length} ports for {Workers.Length} workers in a {Topology}; allowed: one of each a worker in a Mesh, none in a Star",
        _ when Shares.Length > 0 && (Shares.Length != Workers.Length || Shares.Any(share => share is < 0 or > Jobs.Job.MaxMicroBatches) || Shares.All(share => share == 0)) =>
            $"shares {string.Join(", ", Shares.Take(8))} for {Workers.Length} workers; allowed: none, or one of 0 to {Jobs.Job.MaxMicroBatches} each, not all 0",
        _ when Endpoints().Any(e => !e.IsValid) =>
            $"links at {string.Join(", ", Endpoints().Where(e => !e.IsValid))}; allowed: hosts of 1 to {LinkEndpoint.MaxHostLength} characters, ports 1 to 65535",
        _ => null,
    };

    private IEnumerable<LinkEndpoint> Endpoints() => Hosts.Zip(Ports, (host, port) => new LinkEndpoint(host, port));
}

/// <summary>A worker's link to another broke, or could not be made, under this generation's plan.</summary>
/// <param name="Generation">Generation of the plan.</param>
/// <param name="Peer">Id of the worker at the other end.</param>
/// <param name="Why">In a user's words.</param>
[MessagePackObject]
public sealed record PeerLost(
    [property: Key(0)] int Generation, [property: Key(1)] string Peer, [property: Key(2)] string Why) : IWorkerMessage;

/// <summary>Send this replica's state over the link, under this generation.</summary>
[MessagePackObject]
public sealed record SendState([property: Key(0)] int Generation) : ICoordinatorMessage;

/// <summary>Rounds that a worker has applied since its last report, in order; batched, never on the path of a step.</summary>
[MessagePackObject]
public sealed record RoundsApplied([property: Key(0)] RoundReport[] Rounds) : IWorkerMessage;

/// <summary>One applied round. All but the times is the same on every worker.</summary>
/// <param name="Round">Number of the round.</param>
/// <param name="Digest">Digest of the parameters and buffers after it.</param>
/// <param name="Tallies">Sums over the round's samples: count, loss, the task's metrics.</param>
/// <param name="LearningRate">Learning rate applied; 0 for an evaluation.</param>
/// <param name="GradientNorm">L2 norm of the averaged gradient before clipping; 0 for an evaluation.</param>
/// <param name="MicroBatches">Micro-batches that this worker computed.</param>
/// <param name="Times">How long this worker took.</param>
[MessagePackObject]
public sealed record RoundReport(
    [property: Key(0)] long Round, [property: Key(1)] StateDigest Digest, [property: Key(2)] double[] Tallies,
    [property: Key(3)] double LearningRate, [property: Key(4)] double GradientNorm, [property: Key(5)] int MicroBatches,
    [property: Key(6)] RoundTimes Times);

/// <summary>Where a worker's time of a round went, in seconds: four phases one after the other, and what it reduced meanwhile.</summary>
/// <param name="Compute">Forward and backward passes, and local sums.</param>
/// <param name="Send">Handing sums to the link.</param>
/// <param name="Wait">Waiting for the average.</param>
/// <param name="Apply">Optimizer step and digest.</param>
/// <param name="Reduce">Adding slices for all workers of a mesh: within <paramref name="Send"/> and <paramref name="Wait"/>, or on another thread beside <paramref name="Compute"/>.</param>
[MessagePackObject]
public readonly record struct RoundTimes(
    [property: Key(0)] double Compute, [property: Key(1)] double Send, [property: Key(2)] double Wait, [property: Key(3)] double Apply,
    [property: Key(4)] double Reduce = 0)
{
    /// <summary>All phases; what was reduced lies within or beside them.</summary>
    [IgnoreMember]
    public double Total => Compute + Send + Wait + Apply;
}

/// <summary>The worker wants to go at the next step boundary.</summary>
[MessagePackObject]
public sealed record Leave([property: Key(0)] string Reason) : IWorkerMessage;

/// <summary>Something about the training that its user should know.</summary>
/// <param name="Text">In a user's words.</param>
[MessagePackObject]
public sealed record Noted([property: Key(0)] string Text) : IWorkerMessage;

/// <summary>The worker cannot go on.</summary>
/// <param name="Reason">In a user's words.</param>
[MessagePackObject]
public sealed record Failed([property: Key(0)] string Reason) : IWorkerMessage;

/// <summary>The worker may go: the job is over, or it has asked to leave.</summary>
/// <param name="Reason">In a user's words.</param>
[MessagePackObject]
public sealed record Dismissed([property: Key(0)] string Reason) : ICoordinatorMessage;
