using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using MessagePack;

namespace Distributed.Hosting.Messages;

/// <summary>A message between the actors of two processes; MessagePack by declared contract. Reasons are in the user's words.</summary>
public interface IControlMessage;

/// <summary>A message from a worker to the coordinator.</summary>
public interface IWorkerMessage : IControlMessage;

/// <summary>A message from the coordinator to a worker.</summary>
public interface ICoordinatorMessage : IControlMessage;

/// <summary>A message in a <see cref="Hosting.Messages.Conversation"/>.</summary>
/// <param name="Number">From 1, without gaps.</param>
/// <param name="Heard">Number of the last message that the sender has received.</param>
[MessagePackObject]
public sealed record Numbered(
    [property: Key(0)] long Conversation, [property: Key(1)] long Number, [property: Key(2)] long Heard,
    [property: Key(3)] string Kind, [property: Key(4)] byte[] Body) : IControlMessage
{
    internal IControlMessage Content => field ??= MessageCodec.Unpack(Kind, Body);

    internal static Numbered Of(long conversation, long number, long heard, IControlMessage content) =>
        new(conversation, number, heard, content.GetType().Name, MessageCodec.Pack(content));
}

/// <summary>Acknowledges messages of a <see cref="Hosting.Messages.Conversation"/> when there is nothing to send.</summary>
/// <param name="UpTo">Number of the last message that the sender has received.</param>
[MessagePackObject]
public sealed record Heard([property: Key(0)] long Conversation, [property: Key(1)] long UpTo) : IControlMessage;

/// <summary>A worker registers, or registers again. Repeated until it is answered.</summary>
/// <param name="Name">The wanted name: 1 to 63 letters, digits, dots, dashes or underscores. A returning worker sends its id.</param>
/// <param name="Token">Proves that it was a worker of the job; empty for a newcomer.</param>
/// <param name="Generation">See <see cref="Core.Protocol.Holding"/>; 0 for a newcomer.</param>
/// <param name="Applied">See <see cref="Core.Protocol.Holding"/>; 0 for a newcomer.</param>
/// <param name="MetricsPort">The port of its metrics on the host of its node; not checked.</param>
/// <param name="ReportsFrom">The first round that it can still report.</param>
[MessagePackObject]
public sealed record Register(
    [property: Key(0)] int Version, [property: Key(1)] string Name, [property: Key(2)] string Device, [property: Key(3)] byte[] Token,
    [property: Key(4)] int Generation, [property: Key(5)] long Applied, [property: Key(6)] int MetricsPort = 0,
    [property: Key(7)] long ReportsFrom = 0) : IWorkerMessage
{
    internal Holding Holding => new(Generation, Applied);
}

/// <summary>The coordinator accepts a worker and tells it what to prepare.</summary>
/// <param name="Token">Proves on the link that the connection belongs to this job.</param>
/// <param name="IsAdopted">Whether the worker keeps its state. A newcomer, or a worker with a foreign past, begins anew.</param>
/// <param name="ReportFrom">The first round of which the coordinator has no report.</param>
/// <param name="InitialBytes">Bytes of the file with the initial parameters, which comes over the link; 0 if the seed draws them.</param>
/// <param name="IsInitialStrict">Whether that file must have exactly the tensors of the model.</param>
/// <param name="Conversation">Id of the conversation that begins now: all further messages are <see cref="Numbered"/>.</param>
[MessagePackObject]
public sealed record Welcome(
    [property: Key(0)] string Worker, [property: Key(1), MessagePackFormatter(typeof(VerbatimText))] string Job,
    [property: Key(2)] string LinkHost, [property: Key(3)] int LinkPort, [property: Key(4)] byte[] Token,
    [property: Key(5)] bool IsAdopted, [property: Key(6)] long ReportFrom, [property: Key(7)] long InitialBytes = 0,
    [property: Key(8)] bool IsInitialStrict = true, [property: Key(9)] long Conversation = 0) : ICoordinatorMessage;

/// <summary>The worker does not have the job's data and asks the coordinator for it.</summary>
[MessagePackObject]
public sealed record FindData([property: Key(0)] string Missing) : IWorkerMessage;

/// <summary>The coordinator has the data, and sends it on <see cref="SendData"/>.</summary>
/// <param name="Key">The SHA-256 of its <see cref="Jobs.Data.DataManifest"/>, lower-case hexadecimal: the identity of the data.</param>
/// <param name="ManifestBytes">Bytes of the manifest, which comes first.</param>
/// <param name="Bytes">Bytes of all files, which follow.</param>
[MessagePackObject]
public sealed record DataFound(
    [property: Key(0)] string Key, [property: Key(1)] int ManifestBytes, [property: Key(2)] long Bytes) : ICoordinatorMessage;

/// <summary>The coordinator has no data to send.</summary>
[MessagePackObject]
public sealed record NoData([property: Key(0)] string Reason) : ICoordinatorMessage;

/// <summary>The worker is connected and asks for the data of <see cref="DataFound"/> over the link.</summary>
[MessagePackObject]
public sealed record SendData([property: Key(0)] string Key) : IWorkerMessage;

/// <summary>Reports of rounds before this one are safe. Sent once in <see cref="MessageBounds.SafeInterval"/> rounds.</summary>
[MessagePackObject]
public sealed record ReportsSafe([property: Key(0)] long Before) : ICoordinatorMessage
{
    internal const int MaxInterval = 4096;
}

/// <summary>The coordinator rejects the worker.</summary>
/// <param name="MayReturn">Whether the worker may register again.</param>
[MessagePackObject]
public sealed record Refused([property: Key(0)] string Reason, [property: Key(1)] bool MayReturn) : ICoordinatorMessage;

/// <summary>Before the run, a worker measures the largest micro-batch that fits its memory, and then registers again.</summary>
/// <param name="Job">The job file, see <see cref="Jobs.AutoSize"/>.</param>
[MessagePackObject]
public sealed record Probe([property: Key(0), MessagePackFormatter(typeof(VerbatimText))] string Job) : ICoordinatorMessage;

/// <summary>Answer to <see cref="Probe"/>.</summary>
/// <param name="Samples">The largest micro-batch that fits or that the job can use; at least 1.</param>
/// <param name="What">The measured memory, for people.</param>
[MessagePackObject]
public sealed record Probed(
    [property: Key(0)] int Samples, [property: Key(1)] int TrainSamples, [property: Key(2)] string What) : IWorkerMessage
{
    /// <summary>Characters of <see cref="What"/>.</summary>
    internal const int MaxWhat = 500;
}

/// <summary>The worker has loaded its data, built its model and connected its link. See <see cref="WorkerFacts"/>.</summary>
/// <param name="Initial">The parts of the initial parameters' file that it has used.</param>
/// <param name="Data">The JSON of a <see cref="Jobs.Runs.DataDescription"/>.</param>
[MessagePackObject]
public sealed record Prepared(
    [property: Key(0)] string DataFingerprint, [property: Key(1)] int TrainSamples, [property: Key(2)] int TestSamples,
    [property: Key(3)] int Floats, [property: Key(4)] int Tallies, [property: Key(5)] long StateBytes,
    [property: Key(6)] string InitialDigest, [property: Key(7)] string LinkHost, [property: Key(8)] int LinkPort,
    [property: Key(9)] int Generation, [property: Key(10)] long Applied, [property: Key(11)] string Initial = "",
    [property: Key(12), MessagePackFormatter(typeof(VerbatimText))] string Data = "") : IWorkerMessage
{
    /// <summary>Characters of <see cref="Initial"/>.</summary>
    internal const int MaxInitial = 8192;

    internal static Prepared Of(WorkerFacts facts, Holding holding, string data = "", string initial = "") => new(
        facts.DataFingerprint, facts.TrainSamples, facts.TestSamples, facts.Layout.Floats, facts.Layout.Tallies, facts.StateBytes,
        facts.InitialDigest, facts.LinkHost, facts.LinkPort, holding.Generation, holding.Applied, initial, data);

    internal Holding Holding => new(Generation, Applied);

    internal WorkerFacts ToFacts() =>
        new(DataFingerprint, TrainSamples, TestSamples, new(Floats, Tallies), StateBytes, InitialDigest, LinkHost, LinkPort);
}

/// <summary>Stop at once; a new generation begins.</summary>
[MessagePackObject]
public sealed record Halt([property: Key(0)] int Generation) : ICoordinatorMessage;

/// <summary>Answer to <see cref="Halt"/>: the number of applied rounds, and the digest of the parameters and buffers.</summary>
[MessagePackObject]
public sealed record Halted(
    [property: Key(0)] int Generation, [property: Key(1)] long Applied, [property: Key(2)] StateDigest Digest = default) : IWorkerMessage;

/// <summary>A laggard or newcomer has caught up to this digest of the parameters and buffers.</summary>
[MessagePackObject]
public sealed record Synced(
    [property: Key(0)] int Generation, [property: Key(1)] long Applied, [property: Key(2)] StateDigest Digest = default) : IWorkerMessage;

/// <summary>A <see cref="Plan"/> is in force.</summary>
/// <param name="Hosts">Hosts of the workers' links in a mesh, in the order of the workers; empty in a star.</param>
/// <param name="Shares">See <see cref="Plan.Shares"/>.</param>
/// <param name="Best">The best first metric over the test set of all checkpoints so far; NaN before the first.</param>
[MessagePackObject]
public sealed record BeginPlan(
    [property: Key(0)] int Generation, [property: Key(1)] long FirstRound, [property: Key(2)] long EndRound,
    [property: Key(3)] string[] Workers, [property: Key(4)] Topology Topology, [property: Key(5)] string[] Hosts,
    [property: Key(6)] int[] Ports, [property: Key(7)] int[] Shares,
    [property: Key(8)] double Best = double.NaN) : ICoordinatorMessage
{
    internal static BeginPlan Of(Plan plan, ImmutableArray<LinkEndpoint> endpoints, double best) => new(
        plan.Generation, plan.FirstRound, plan.EndRound, [.. plan.Workers], plan.Topology,
        [.. endpoints.Select(e => e.Host)], [.. endpoints.Select(e => e.Port)], [.. plan.Shares], best);

    internal Plan ToPlan()
    {
        Check();
        return new(Generation, FirstRound, EndRound, ImmutableArray.Create(Workers), Topology) { Shares = ImmutableArray.Create(Shares) };
    }

    internal ImmutableArray<LinkEndpoint> ToEndpoints()
    {
        Check();
        return [.. Endpoints()];
    }

    private void Check()
    {
        if (Fault() is { } fault) throw new ProtocolException($"the coordinator sent an invalid plan: {fault}");
    }

    private string? Fault()
    {
        const int MaxShare = Jobs.Job.MaxMicroBatches;
        if (Generation < 1) return $"generation {Generation}; allowed: 1 or more";
        if (FirstRound < 0 || EndRound <= FirstRound)
            return $"rounds {FirstRound} to {EndRound}; allowed: from 0 or more to more than that";
        if (!Enum.IsDefined(Topology)) return $"topology {Topology}; allowed: {Topology.Star} or {Topology.Mesh}";
        if (Workers.Length == 0 || Workers.Distinct(StringComparer.Ordinal).Count() < Workers.Length)
            return $"{Workers.Length} workers; allowed: 1 or more, each once";
        if (Hosts.Length != Ports.Length || Hosts.Length != (Topology == Topology.Star ? 0 : Workers.Length))
        {
            return $"{Hosts.Length} hosts and {Ports.Length} ports for {Workers.Length} workers in a {Topology}; "
                + "allowed: one of each a worker in a Mesh, none in a Star";
        }
        if (Shares.Length > 0
            && (Shares.Length != Workers.Length || Shares.Any(share => share is < 0 or > MaxShare) || Shares.All(share => share == 0)))
        {
            return $"shares {string.Join(", ", Shares.Take(8))} for {Workers.Length} workers; "
                + $"allowed: none, or one of 0 to {MaxShare} each, not all 0";
        }
        var invalid = Endpoints().Where(e => !e.IsValid).ToList();
        return invalid.Count == 0 ? null : $"links at {string.Join(", ", invalid)}; "
            + $"allowed: hosts of 1 to {LinkEndpoint.MaxHostLength} characters, ports 1 to 65535";
    }

    private IEnumerable<LinkEndpoint> Endpoints() => Hosts.Zip(Ports, (host, port) => new LinkEndpoint(host, port));
}

/// <summary>A worker's link to another one broke, or could not be made, under this generation's plan.</summary>
[MessagePackObject]
public sealed record PeerLost(
    [property: Key(0)] int Generation, [property: Key(1)] string Peer, [property: Key(2)] string Why) : IWorkerMessage;

/// <summary>Send this replica's state over the link, under this generation.</summary>
[MessagePackObject]
public sealed record SendState([property: Key(0)] int Generation) : ICoordinatorMessage;

/// <summary>Rounds that a worker has applied since its last report, in order; batched, and never sent within a step.</summary>
[MessagePackObject]
public sealed record RoundsApplied([property: Key(0)] RoundReport[] Rounds) : IWorkerMessage;

/// <summary>One applied round. All members but <paramref name="MicroBatches"/> and the times are equal on every worker.</summary>
/// <param name="Digest">Of the parameters and buffers after the round.</param>
/// <param name="Tallies">Sums over the round's samples: count, loss, the task's metrics.</param>
/// <param name="LearningRate">0 for an evaluation.</param>
/// <param name="GradientNorm">L2 norm of the averaged gradient before clipping; 0 for an evaluation.</param>
/// <param name="MicroBatches">Micro-batches that this worker computed.</param>
[MessagePackObject]
public sealed record RoundReport(
    [property: Key(0)] long Round, [property: Key(1)] StateDigest Digest, [property: Key(2)] double[] Tallies,
    [property: Key(3)] double LearningRate, [property: Key(4)] double GradientNorm, [property: Key(5)] int MicroBatches,
    [property: Key(6)] RoundTimes Times);

/// <summary>A worker's time of a round, in seconds: four phases in order, and the reduction beside them.</summary>
/// <param name="Compute">Forward and backward passes, and local sums.</param>
/// <param name="Send">Handing sums to the link.</param>
/// <param name="Wait">Waiting for the average.</param>
/// <param name="Apply">Optimizer step and digest.</param>
/// <param name="Reduce">Adding slices for all workers of a mesh: within <paramref name="Send"/> and <paramref name="Wait"/>, or on another
/// thread beside <paramref name="Compute"/>.</param>
[MessagePackObject]
public readonly record struct RoundTimes(
    [property: Key(0)] double Compute, [property: Key(1)] double Send, [property: Key(2)] double Wait, [property: Key(3)] double Apply,
    [property: Key(4)] double Reduce = 0)
{
    internal double Total => Compute + Send + Wait + Apply;
}

/// <summary>The worker wants to leave at the next step boundary.</summary>
[MessagePackObject]
public sealed record Leave([property: Key(0)] string Reason) : IWorkerMessage;

/// <summary>A note about the training for its user.</summary>
[MessagePackObject]
public sealed record Noted([property: Key(0)] string Text) : IWorkerMessage;

/// <summary>The worker cannot continue.</summary>
[MessagePackObject]
public sealed record Failed([property: Key(0)] string Reason) : IWorkerMessage;

/// <summary>The worker may exit: the job is finished, or the worker has asked to leave.</summary>
[MessagePackObject]
public sealed record Dismissed([property: Key(0)] string Reason) : ICoordinatorMessage;
