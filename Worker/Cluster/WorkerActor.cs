using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Microsoft.Extensions.Logging;

namespace Distributed.Worker.Cluster;

/// <summary>
/// Translates between messages and <see cref="JoinProtocol"/>, and passes what the coordinator and the replica say to each other.
/// </summary>
internal sealed partial class WorkerActor : ReceiveActor, IWithTimers
{
    private readonly WorkerOptions _options;
    private readonly TaskCompletionSource<WorkerEnd> _end;
    private readonly WorkerMetrics _metrics;
    private readonly Readiness _readiness;
    private readonly ILogger _logger;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _stopping = new();
    private JoinProtocol _join;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private CoordinatorLine? _line;
    private Welcome _welcome = null!;
    private Job _job = null!;
    private DataOptions _data;
    private DataFound? _offered;
    private WorkerSession? _session;
    private DeliveredLink? _delivered;
    private ReplicaNotice.Prepared? _prepared;
    private string _initialized = "";
    private IFramePipe? _relinked;
    private WorkerEnd? _outcome;
    private (string Job, Task<Probed> Answer)? _probe;
    private Probed? _probed;

    private abstract record Local : INoSerializationVerificationNeeded
    {
        internal sealed record Happened(JoinEvent Event) : Local;
        internal sealed record Connected(LinkSetup.Connected Links) : Local;
        internal sealed record Reconnected(IFramePipe Pipe) : Local;
        internal sealed record Fetched(DataOptions Data, DeliveredLink? Link) : Local;
    }

    /// <param name="links">Logs what happens to connections.</param>
    /// <param name="session">What this worker holds of the job from an earlier life; null for a newcomer.</param>
    public WorkerActor(
        WorkerOptions options, TaskCompletionSource<WorkerEnd> end, WorkerMetrics metrics, Readiness readiness, ILogger links,
        WorkerSession? session = null)
    {
        (_options, _end, _metrics, _readiness, _logger, _session) = (options, end, metrics, readiness, links, session);
        _data = options.Data;
        _join = new(options.Coordinator, options.Timeout, session?.Worker, MayFetch: options.Data.DeliveryLimit > 0);
        Receive<Local.Happened>(m => Decide(m.Event));
        ReceiveCoordinator();
        ReceiveOwn();
        ReceiveReplica();
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        var self = Self;
        foreach (var effect in JoinProtocol.Start) Execute(effect);
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(new Local.Happened(new JoinEvent.NodeAccepted())));
        // Akka gives up for good on a peer with which it lost system messages: another node of this process can still talk to it.
        Context.System.EventStream.Subscribe(Self, typeof(QuarantinedEvent));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
    }

    /// <summary>The failure took the state with it: ending is better than starting from nothing.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        _outcome = new(1, $"the worker could not handle {message.GetType().Name}: {reason.Message}");
        PostStop();
        Context.Stop(Self);
    }

    protected override void PostStop()
    {
        _stopping.Cancel();
        _delivered?.Dispose();
        var outcome = _outcome ?? (IsNodeDown ? Returning("the cluster has given this node up", false) : new(1, "the worker was stopped"));
        if (outcome.Session is not null) _session!.Suspend();
        else _session?.Dispose();
        // The process must not end while its replica is in the middle of native code.
        var replica = outcome.Session is null && _session is { } ended ? ended.Replica.Completion : Task.CompletedTask;
        Task.WhenAll(replica, _probe?.Answer ?? Task.CompletedTask)
            .ContinueWith(_ => _end.TrySetResult(outcome), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private void ReceiveCoordinator()
    {
        Receive<Numbered>(numbered =>
        {
            if (_line?.Hear(numbered) is { } content) Self.Tell(content, Sender);
        });
        Receive<Heard>(heard => _line?.Hear(heard));
        Receive<Probe>(m =>
        {
            if (_join.Phase == JoinPhase.Joining) _coordinator = Context.Watch(Sender);
            Decide(new JoinEvent.ProbeAsked(m.Job));
        });
        Receive<Welcome>(Welcome);
        Receive<DataFound>(m =>
        {
            _offered = m;
            Decide(new JoinEvent.DataOffered(m.Bytes));
        });
        Receive<NoData>(m => Decide(new JoinEvent.DataUnavailable(m.Reason)));
        Receive<Refused>(m => Decide(new JoinEvent.Refused(m.Reason, m.MayReturn)));
        Receive<Dismissed>(m => Decide(new JoinEvent.Dismissed(m.Reason)));
        Receive<Terminated>(_ => Decide(new JoinEvent.Disconnected("the coordinator is gone")));
        Receive<QuarantinedEvent>(
            m => IsCoordinators(m.Address),
            _ => Decide(new JoinEvent.CoordinatorLost("the control connection to the coordinator cannot be used any more")));
        Receive<ThisActorSystemQuarantinedEvent>(
            m => IsCoordinators(m.RemoteAddress),
            _ => Decide(new JoinEvent.CoordinatorLost("the coordinator has given this node up")));
        Receive<ReportsSafe>(m => _session?.Forget(m.Before));
        WhileTraining<Halt>((session, m) => session.Replica.Halt(m.Generation));
        WhileTraining<SendState>((session, m) => session.Replica.SendState(m.Generation));
        WhileTraining<BeginPlan>((session, m) =>
        {
            _log.Info("Generation {0}: from round {1}, {2} worker(s)", m.Generation, m.FirstRound, m.Workers.Length);
            _metrics.GenerationBegan(m.Generation);
            session.Replica.Begin(m.ToPlan(), m.ToEndpoints(), m.Best);
        });
    }

    private void ReceiveOwn()
    {
        Receive<CoordinatorLine.Look>(_ =>
        {
            if (_line?.Pass() is { } lost) Decide(new JoinEvent.CoordinatorLost(lost));
        });
        Receive<Probed>(m =>
        {
            _log.Info("A micro-batch may have {0} samples: {1}", m.Samples, m.What);
            _probed = m;
            Decide(new JoinEvent.Probed());
        });
        Receive<Local.Fetched>(m =>
        {
            if (m.Link is not null) _log.Info("The coordinator has sent the data");
            (_data, _delivered) = (m.Data, m.Link);
            Decide(new JoinEvent.DataReady());
        });
        Receive<Local.Connected>(m =>
        {
            _session!.Attach(m.Links);
            Decide(new JoinEvent.Linked());
        });
        Receive<Local.Reconnected>(m =>
        {
            _relinked = m.Pipe;
            Decide(new JoinEvent.Linked());
        });
        Receive<SendData>(m => _line!.Say(m));
        Receive<Leave>(m => Decide(new JoinEvent.LeaveAsked(m.Reason)));
    }

    private void ReceiveReplica()
    {
        Receive<ReplicaNotice.Prepared>(m =>
        {
            _log.Info("Prepared: {0} training and {1} test samples, {2} numbers a contribution",
                m.Facts.TrainSamples, m.Facts.TestSamples, m.Facts.Layout.Floats);
            foreach (var note in m.Data.Notes) _log.Warning("{0}", note);
            _prepared = m;
            Decide(new JoinEvent.ReplicaReady());
        });
        Receive<ReplicaNotice.Initialized>(m =>
        {
            _log.Info("{0}", m.What);
            _initialized = m.What.Length > Prepared.MaxInitial ? $"{m.What[..(Prepared.MaxInitial - 3)]}..." : m.What;
            _session!.Initialized(m.Digest);
            Decide(new JoinEvent.Initialized());
        });
        Receive<ReplicaNotice.Failed>(m => Decide(new JoinEvent.Failed(m.Reason)));
        Receive<ReplicaNotice.CoordinatorLost>(
            m => Decide(new JoinEvent.Disconnected($"the link to the coordinator was lost: {m.Reason}")));
        WhileTraining<Noted>((_, m) =>
        {
            _log.Warning("{0}", m.Text);
            _line!.Say(m);
        });
        WhileTraining<IWorkerMessage>((_, m) => _line!.Say(m));
    }

    private void WhileTraining<T>(Action<WorkerSession, T> handle) => Receive<T>(message =>
    {
        if (_join.Phase == JoinPhase.Training) handle(_session!, message);
    });

    private void Decide(JoinEvent happened)
    {
        (_join, var effects) = _join.Handle(happened);
        _readiness.NotReady = _join.NotReady;
        foreach (var effect in effects) Execute(effect);
    }

    private void Welcome(Welcome welcome)
    {
        if (_join.Phase != JoinPhase.Joining) return;
        _coordinator = Context.Watch(Sender);
        _line = new(_coordinator, Self, Timers, welcome.Conversation, _metrics.Control);
        _welcome = welcome;
        _metrics.Named(welcome.Worker);
        Decide(new JoinEvent.Welcomed(welcome.Worker, welcome.IsAdopted, welcome.InitialBytes > 0));
    }

    private bool IsCoordinators(Address address) => $"{address.Host}:{address.Port}" == _options.Coordinator;

    /// <summary>Registers as another node, since the cluster may have given this one up, and keeps what it holds of the job.</summary>
    private WorkerEnd Returning(string reason, bool wasRefused)
    {
        _log.Warning("{0}. Looking for the coordinator at {1}", reason, _options.Coordinator);
        _readiness.NotReady = reason;
        return new(1, reason, MayReturn: true, _session is { Links: not null } session ? session : null, _join.HasTakenPart, wasRefused);
    }

    /// <summary>The other nodes told this one that the coordinator has removed it from the cluster: Akka then stops the system.</summary>
    private static bool IsNodeDown => CoordinatedShutdown.Get(Context.System).ShutdownReason is CoordinatedShutdown.ClusterDowningReason;
}
