using Akka.Actor;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;
using Distributed.Worker.Natives;
using Distributed.Worker.Plugins;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Cluster;

/// <summary>
/// A worker's part in a job: its replica, its links, and the reports that nobody may have read. It outlives the actor, the
/// node of the cluster and the coordinator that it began with.
/// </summary>
internal sealed class WorkerSession : IReplicaObserver, IExchangeObserver, IDisposable
{
    private readonly Lock _lock = new();
    private readonly WorkerMetrics _metrics;
    private readonly KeptReports _kept = new(MessageBounds.KeptBytes);
    private readonly bool _isInitialStrict;
    private readonly bool _hasDeviceMemory;
    private IActorRef _actor;
    private bool _isNoted;
    private LinkListener? _listener;

    /// <summary>Starts the replica, which prepares itself at once.</summary>
    /// <param name="data">Where the data is looked for.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="plugins">The libraries that the worker was started with.</param>
    public WorkerSession(Welcome welcome, Job job, DataOptions data, Device device, WorkerMetrics metrics, IActorRef actor, PluginSet plugins)
    {
        _hasDeviceMemory = device.type == TorchSharp.DeviceType.CUDA;
        (Worker, Job, Token, _isInitialStrict, _metrics, _actor) = (welcome.Worker, job, welcome.Token, welcome.IsInitialStrict, metrics, actor);
        Replica = new(welcome.Worker, job, data, device, this, plugins);
    }

    /// <summary>What the actor is told beside the messages for the coordinator.</summary>
    internal abstract record Notice : INoSerializationVerificationNeeded
    {
        internal sealed record ReplicaPrepared(WorkerFacts Facts, VectorPool Pool, DataDescription Data) : Notice;

        /// <summary>The parameters to begin with are in their place.</summary>
        internal sealed record Initialized(StateDigest Digest, string What) : Notice;

        /// <summary>The replica cannot go on.</summary>
        internal sealed record ReplicaFailed(string Reason) : Notice;

        internal sealed record LinkLost(string Reason) : Notice;
    }

    public string Worker { get; }

    public Job Job { get; }

    public byte[] Token { get; }

    public ReplicaThread Replica { get; }

    /// <summary>What it is to be known by, once it has links.</summary>
    public WorkerFacts? Facts { get; private set; }

    /// <summary>What its data is like, as JSON, once it has links.</summary>
    public string Data { get; private set; } = "";

    /// <summary>Its links, once they stand.</summary>
    public Exchange? Exchange { get; private set; }

    /// <summary>The job's rounds, once the sizes of the data are known.</summary>
    public Rounds? Rounds { get; private set; }

    public Plan? Plan { get; set; }

    /// <summary>The job's rounds for these sizes of the data.</summary>
    public Rounds RoundsOf(WorkerFacts facts) => Job.ToShape().RoundsOf(facts);

    public void Attach(WorkerFacts facts, DataDescription data, Exchange exchange, LinkListener? listener)
    {
        (Facts, Data, Exchange, Rounds, _listener) = (facts, data.ToJson(), exchange, RoundsOf(facts), listener);
        Replica.Attach(exchange);
    }

    public void Initialize(byte[] file) => Replica.Initialize(file, _isInitialStrict);

    /// <summary>The parameters to begin with are in their place.</summary>
    public void Initialized(StateDigest digest) => Facts = Facts! with { InitialDigest = digest.ToString() };

    /// <summary>The first round that it can still report.</summary>
    public long ReportsFrom
    {
        get { lock (_lock) return _kept.From; }
    }

    /// <summary>Nobody is told anything until <see cref="Resume"/>.</summary>
    public void Suspend()
    {
        lock (_lock) _actor = ActorRefs.Nobody;
    }

    /// <summary>Tells this actor from now on, beginning with the reports from this round on.</summary>
    public void Resume(IActorRef actor, long from)
    {
        lock (_lock)
        {
            _actor = actor;
            if (Replica.Fault is { } fault) actor.Tell(new Notice.ReplicaFailed(fault));
            foreach (var reports in MessageBounds.Split(_kept.Since(from))) actor.Tell(reports);
        }
    }

    /// <summary>Reports of rounds before this one need not be kept.</summary>
    public void Forget(long before)
    {
        lock (_lock) _kept.Forget(before);
        Replica.Wake();
    }

    /// <summary>Ends the replica after its micro-batch, and with it the links.</summary>
    public void Dispose()
    {
        Suspend();
        _listener?.Dispose();
        Replica.Stop();
    }

    void IReplicaObserver.Prepared(WorkerFacts facts, VectorPool pool, DataDescription data) => Tell(new Notice.ReplicaPrepared(facts, pool, data));

    void IReplicaObserver.Initialized(StateDigest digest, string what) => Tell(new Notice.Initialized(digest, what));

    void IReplicaObserver.Halted(int generation, long applied, StateDigest digest) => Tell(new Halted(generation, applied, digest));

    void IReplicaObserver.Synced(int generation, long applied, StateDigest digest)
    {
        lock (_lock)
        {
            _kept.Follow(applied);
            _actor.Tell(new Synced(generation, applied, digest));
        }
    }

    bool IReplicaObserver.MayApply
    {
        get { lock (_lock) return _kept.MayApply; }
    }

    void IReplicaObserver.PeerLost(int generation, string peer, string reason) => Tell(new PeerLost(generation, peer, reason));

    void IReplicaObserver.Failed(string reason) => Tell(new Notice.ReplicaFailed(reason));

    void IReplicaObserver.Applied(IReadOnlyList<RoundReport> rounds)
    {
        Measure(rounds);
        lock (_lock)
        {
            _kept.Keep(rounds);
            foreach (var reports in MessageBounds.Split(rounds)) _actor.Tell(reports);
            if (_isNoted || _actor.IsNobody() || Replica.OverlapNote is not { } note) return;
            _isNoted = true;
            _actor.Tell(new Noted(note));
        }
    }

    void IExchangeObserver.AverageComplete() => Replica.AverageComplete();

    void IExchangeObserver.StateArrived(int generation, long applied, byte[] state) => Replica.Restore(generation, applied, state);

    void IExchangeObserver.InitialArrived(byte[] file) => Initialize(file);

    void IExchangeObserver.CoordinatorLinkClosed(string reason) => Tell(new Notice.LinkLost(reason));

    void IExchangeObserver.PeerLinkClosed(int generation, string peer, string reason) => Replica.LosePeer(generation, peer, reason);

    private void Tell(object message)
    {
        lock (_lock) _actor.Tell(message);
    }

    private void Measure(IReadOnlyList<RoundReport> reports)
    {
        foreach (var round in reports)
        {
            var samples = round.Tallies[Tally.Samples];
            _metrics.RoundApplied(Rounds!.At(round.Round).Kind, round.MicroBatches, OwnSamples(round), round.Tallies[Tally.Loss] / samples, round.Times);
        }
        _metrics.LiveTensors(Tensor.TotalCount);
        // The replica's thread, which computes with the device.
        if (_hasDeviceMemory && DeviceMemory.Used() is { } bytes) _metrics.DeviceMemory(bytes);
        _metrics.ContributionsSent(Replica.SentComputing, Replica.SentWaiting);
    }

    /// <summary>A plan ends with a halt, before which the replica reports every round under it.</summary>
    private long OwnSamples(RoundReport report)
    {
        if (report.MicroBatches == 0 || Plan is not { } plan) return 0;
        var round = plan.RoundAt(Rounds!, report.Round);
        var range = plan.RangeOf(Worker, round.MicroBatches);
        return Enumerable.Range(range.First, range.Count).Sum(id => (long)round.MicroBatch(id).Count);
    }
}
