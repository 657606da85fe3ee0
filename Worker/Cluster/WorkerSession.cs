using Akka.Actor;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using TorchSharp;

namespace Distributed.Worker.Cluster;

/// <summary>
/// A worker's part in a job: its replica, its links, and the reports that the coordinator may not have. It outlives the actor, the node of
/// the cluster and the coordinator that it began with.
/// </summary>
internal sealed class WorkerSession : IDisposable
{
    private readonly ReplicaOutbox _outbox;
    private LinkListener? _listener;

    /// <summary>Starts the replica, which prepares itself at once.</summary>
    /// <param name="data">Where the data is looked for.</param>
    public WorkerSession(Welcome welcome, Job job, DataOptions data, WorkerOptions options, WorkerMetrics metrics, IActorRef actor)
    {
        (Worker, Job, Token) = (welcome.Worker, job, welcome.Token);
        _outbox = new(MessageBounds.KeptBytes, new RoundMeter(metrics, hasDeviceMemory: options.Device.type == DeviceType.CUDA));
        _outbox.Resume(message => actor.Tell(message));
        Replica = new(welcome.Worker, job, data, options.Device, _outbox, options.Plugins, welcome.IsInitialStrict);
    }

    public string Worker { get; }

    public Job Job { get; }

    public byte[] Token { get; }

    public ReplicaThread Replica { get; }

    /// <summary>What the coordinator compares of it, once it has links.</summary>
    public WorkerFacts? Facts { get; private set; }

    /// <summary>Its links, once they stand.</summary>
    public WorkerLinks? Links { get; private set; }

    /// <summary>A description of its data as JSON, once it has links.</summary>
    public string Data { get; private set; } = "";

    /// <summary>The first round that it can still report.</summary>
    public long ReportsFrom => _outbox.ReportsFrom;

    /// <summary>The job's rounds for these sizes of the data.</summary>
    public Rounds RoundsOf(WorkerFacts facts) => Job.ToShape().RoundsOf(facts);

    public void Attach(LinkSetup.Connected connected)
    {
        (Facts, Data, Links, _listener) = (connected.Facts, connected.Data.ToJson(), connected.Links, connected.Listener);
        Replica.Attach(connected.Links);
        if (connected.Initial is { } initial) Replica.Initialize(initial);
    }

    /// <summary>The initial parameters are in their place.</summary>
    public void Initialized(StateDigest digest) => Facts = Facts! with { InitialDigest = digest.ToString() };

    /// <summary>Tells no one until <see cref="Resume"/>.</summary>
    public void Suspend() => _outbox.Suspend();

    /// <summary>Tells this actor from now on, beginning with the reports from this round on.</summary>
    public void Resume(IActorRef actor, long from)
    {
        if (Replica.Fault is { } fault) actor.Tell(new ReplicaNotice.Failed(fault));
        _outbox.Resume(message => actor.Tell(message), from);
    }

    /// <summary>Reports of rounds before this one need not be kept.</summary>
    public void Forget(long before)
    {
        _outbox.Forget(before);
        Replica.Wake();
    }

    /// <summary>Ends the replica after its micro-batch, and with it the links.</summary>
    public void Dispose()
    {
        Suspend();
        _listener?.Dispose();
        Replica.Stop();
    }
}
