using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Distributed.Core;
using Distributed.Core.Protocol;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Jobs.Runs;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Microsoft.Extensions.Logging;

namespace Distributed.Worker.Cluster;

/// <summary>
/// Between the coordinator's messages and the replica's thread. Joining: offers itself until it is taken in. Probing, before a run whose
/// batch is as large as fits: finds out what does, then offers itself again. Finding: what data is not on this machine is had from the
/// coordinator. Preparing: the replica loads data and model, then the link is connected. Training: passes on what either side says.
/// </summary>
internal sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan _retry = TimeSpan.FromSeconds(1);

    /// <summary>A node that joined a coordinator just before that was killed is in a cluster that takes nobody in any more.</summary>
    private static readonly TimeSpan _upTimeout = TimeSpan.FromSeconds(8);

    /// <summary>What a member of the cluster offers again and again may get lost each time; what another node offers need not.</summary>
    private static readonly TimeSpan _answerTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The reason why a link was closed comes over another connection.</summary>
    private static readonly TimeSpan _reasonTimeout = TimeSpan.FromSeconds(1);

    private readonly WorkerOptions _options;
    private readonly TaskCompletionSource<WorkerEnd> _end;
    private readonly WorkerMetrics _metrics;
    private readonly Readiness _readiness;
    private readonly ILogger _logger;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _stopping = new();
    private IActorRef _coordinator = ActorRefs.Nobody;
    private CoordinatorLine? _line;
    private Welcome _welcome = null!;
    private WorkerSession? _session;
    private DeliveredLink? _delivered;
    private WorkerEnd? _outcome;
    private bool _tookPart;
    private (string Job, Task<Probed> Answer)? _probe;

    private abstract record Local : INoSerializationVerificationNeeded
    {
        internal sealed record Offer : Local;
        internal sealed record JoinOverdue : Local;
        internal sealed record UpOverdue : Local;
        internal sealed record ReasonOverdue(string Reason) : Local;
        internal sealed record MemberOfCluster : Local;
        internal sealed record Linked(Exchange Exchange, LinkListener? Listener, WorkerFacts Facts, DataDescription Data, byte[]? Initial) : Local;
        internal sealed record Relinked(IFramePipe Pipe) : Local;
        internal sealed record NotLinked(string Reason) : Local;
        internal sealed record DataMissing(string What) : Local;
        internal sealed record DataReady(DataOptions Options, DeliveredLink? Link) : Local;
        internal sealed record NotProbed(string Reason) : Local;
    }

    /// <param name="readiness">Is told how far it is.</param>
    /// <param name="links">For people: what becomes of connections.</param>
    /// <param name="session">What it holds of the job from an earlier life; null for a newcomer.</param>
    public WorkerActor(
        WorkerOptions options, TaskCompletionSource<WorkerEnd> end, WorkerMetrics metrics, Readiness readiness, ILogger links, WorkerSession? session = null)
    {
        (_options, _end, _metrics, _readiness, _logger, _session) = (options, end, metrics, readiness, links, session);
        Joining();
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        var self = Self;
        Timers.StartSingleTimer("join", new Local.JoinOverdue(), _options.Remaining);
        Timers.StartSingleTimer("up", new Local.UpOverdue(), _upTimeout);
        Akka.Cluster.Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(new Local.MemberOfCluster()));
        // Akka gives a peer up for good with which it cannot come to terms over what got lost: another node can.
        Context.System.EventStream.Subscribe(Self, typeof(QuarantinedEvent));
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
    }

    /// <summary>What went wrong took the state with it: better an end than a start from nothing.</summary>
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
        var outcome = _outcome ?? (IsNodeDown ? Returning("the cluster has given this node up") : new(1, "the worker was stopped"));
        if (outcome.Session is not null) _session!.Suspend();
        else _session?.Dispose();
        // The process must not end while its replica is in the middle of native code.
        var replica = outcome.Session is null && _session is { } ended ? ended.Replica.Completion : Task.CompletedTask;
        Task.WhenAll(replica, _probe?.Answer ?? Task.CompletedTask).ContinueWith(_ => _end.TrySetResult(outcome), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private void Joining()
    {
        Receive<Local.MemberOfCluster>(_ =>
        {
            Timers.StartSingleTimer("up", new Local.UpOverdue(), _answerTimeout);
            Timers.StartPeriodicTimer("offer", new Local.Offer(), TimeSpan.Zero, _retry);
        });
        Receive<Local.UpOverdue>(_ => Return($"the coordinator at {_options.Coordinator} has not taken this node in"));
        Receive<Local.Offer>(_ => Offer());
        Receive<Leave>(leave => End(0, leave.Reason));
        Receive<Local.JoinOverdue>(_ => End(1, _session is null
            ? $"no coordinator took this worker in at {_options.Coordinator} within {_options.Patience.TotalMinutes:0.##} minutes"
            : $"the coordinator at {_options.Coordinator} did not come back within {_options.Patience.TotalMinutes:0.##} minutes"));
        Receive<Welcome>(Enter);
        Receive<Probe>(Probe);
        ReceiveEnds();
    }

    private void Probe(Probe asked)
    {
        Timers.CancelAll();
        _coordinator = Context.Watch(Sender);
        // It may be asked more than once, as it offers itself more than once.
        if (_probe is not var (known, _) || known != asked.Job)
        {
            _readiness.NotReady = "finding out how large a micro-batch may be";
            // A thread of its own, as it computes for long.
            _probe = (asked.Job, Task.Factory.StartNew(
                () => MemoryProbe.Run(JobFile.Parse(asked.Job, "the coordinator's job"), _options.Data, _options.Device, _options.MemoryFraction, _options.Plugins, stopping: _stopping.Token),
                _stopping.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        }
        Become(Probing);
        _probe.Value.Answer.PipeTo(Self, failure: error => new Local.NotProbed(error.Message));
    }

    private void Probing()
    {
        Receive<Probed>(probed =>
        {
            _log.Info("A micro-batch may have {0} samples: {1}", probed.Samples, probed.What);
            _readiness.NotReady = "waiting until the other workers have found out how large a micro-batch may be";
            _coordinator.Tell(probed);
            Context.Unwatch(_coordinator);
            Timers.StartSingleTimer("join", new Local.JoinOverdue(), _options.Remaining);
            Timers.StartPeriodicTimer("offer", new Local.Offer(), _retry, _retry);
            Become(Joining);
        });
        Receive<Local.NotProbed>(failed => Fail(failed.Reason));
        Receive<Probe>(_ => { });
        Receive<Leave>(leave => End(0, leave.Reason));
        ReceiveEnds();
    }

    private void Offer()
    {
        if (_session is { Replica.Fault: { } fault })
        {
            End(1, fault);
            return;
        }
        var holding = _session?.Replica.Holding ?? default;
        Context.ActorSelection($"{Akka.Cluster.Cluster.Get(Context.System).SelfAddress.Protocol}://{ClusterNode.SystemName}@{_options.Coordinator}/user/{ClusterNode.CoordinatorActor}").Tell(new Register(
            MessageCodec.Version, _session?.Worker ?? _options.Name, $"{_options.Device}", _session?.Token ?? [], holding.Generation, holding.Applied, _options.MetricsPort, _session?.ReportsFrom ?? 0));
    }

    private void Enter(Welcome welcome)
    {
        Timers.CancelAll();
        _coordinator = Context.Watch(Sender);
        _line = new(_coordinator, Self, Timers, welcome.Conversation, _metrics.Control);
        _welcome = welcome;
        _metrics.Named(welcome.Worker);
        if (_session is { } session && welcome.IsAdopted && welcome.Worker == session.Worker)
        {
            _log.Info("Taken in again as {0}, with {1} rounds applied", welcome.Worker, session.Replica.Holding.Applied);
            Become(Returning);
            LinkHandshake.ConnectAsync(welcome.LinkHost, welcome.LinkPort, new(JobFile.Fingerprint(session.Job), welcome.Token, welcome.Worker), _options.Links, _stopping.Token)
                .PipeTo(Self, success: pipe => new Local.Relinked(pipe), failure: error => new Local.NotLinked(error.Message));
            return;
        }
        _session?.Dispose();
        _session = null;
        Job job;
        try
        {
            job = JobFile.Parse(welcome.Job, "the coordinator's job");
        }
        catch (JobException error)
        {
            Fail($"the coordinator sent a job that this version does not understand: {error.Message}");
            return;
        }
        _log.Info("Taken in as {0}: {1} on {2}, model {3}", welcome.Worker, job.Task, job.Data, job.Model);
        if (DataParts.Of(job.Data).Count == 0)
        {
            Prepare(job, _options.Data);
            return;
        }
        _readiness.NotReady = "looking for the data";
        Become(() => Finding(job));
        FindAsync(job).PipeTo(Self, failure: error => new WorkerSession.Notice.ReplicaFailed(error.Message));
    }

    private void Prepare(Job job, DataOptions data)
    {
        _session = new(_welcome, job, data, _options.Device, _metrics, Self, _options.Plugins);
        _readiness.NotReady = "loading data and model";
        Become(Preparing);
    }

    /// <summary>The coordinator sends what is not on this machine; where it has none, the replica's thread may find some yet, or says what is missing.</summary>
    private void Finding(Job job)
    {
        Receive<Local.DataMissing>(missing =>
        {
            if (_options.Data.DeliveryLimit == 0) Prepare(job, _options.Data);
            else _line!.Say(new FindData(missing.What));
        });
        Receive<NoData>(none => Prepare(job, _options.Data with { NotDelivered = none.Reason }));
        Receive<DataFound>(found =>
        {
            _readiness.NotReady = $"getting {found.Bytes} bytes of data from the coordinator";
            var self = Self;
            DeliverAsync(job, found, () => self.Tell(new SendData(found.Key)))
                .PipeTo(Self, failure: error => error is LinkException ? new Local.NotLinked(error.Message) : new WorkerSession.Notice.ReplicaFailed(error.Message));
        });
        Receive<Local.DataReady>(ready =>
        {
            if (ready.Link is not null) _log.Info("The coordinator has sent the data");
            _delivered = ready.Link;
            Prepare(job, ready.Options);
        });
        Receive<SendData>(_line!.Say);
        ReceiveNotLinked();
        Receive<Welcome>(_ => { });
        Receive<Leave>(leave => End(0, leave.Reason));
        ReceiveEnds();
    }

    private Task<Local> FindAsync(Job job) => Task.Run<Local>(() =>
        DataParts.Missing(job.Data, _options.Data) is { } missing ? new Local.DataMissing(missing) : new Local.DataReady(_options.Data, null));

    private async Task<Local> DeliverAsync(Job job, DataFound found, Action ask)
    {
        var options = _options.Data;
        if (!DataManifest.IsKey(found.Key) || found.ManifestBytes is < 1 or > DataManifest.MaxLength || found.Bytes < 0)
            throw new DataException($"the coordinator offers data that is none: {found.Bytes} bytes and a list of {found.ManifestBytes} bytes");
        var cache = new DeliveryCache(options.DeliveryDirectory);
        if (await Task.Run(() => cache.Find(found.Key)) is { } folder) return Ready(null);
        if (found.Bytes > options.DeliveryLimit)
            throw new DataException($"the data is not on this machine, and what the coordinator would send has {found.Bytes} bytes; {options.DeliveryLimit} are allowed. Allow more with --data-limit, or bring the data here");
        folder = cache.FolderOf(found.Key);
        using var writer = cache.Begin(found.Key, found.ManifestBytes, found.Bytes);
        var identity = new LinkIdentity(JobFile.Fingerprint(job), _welcome.Token, _welcome.Worker);
        var pipe = await LinkHandshake.ConnectAsync(_welcome.LinkHost, _welcome.LinkPort, identity, _options.Links, _stopping.Token);
        using var link = new DeliveryLink(identity.Job, pipe, writer, _welcome.InitialBytes, _metrics.Links);
        ask();
        return Ready(await link.CompleteAsync(_stopping.Token));

        Local Ready(DeliveredLink? delivered) => new Local.DataReady(options with { Delivered = DataParts.In(folder, job.Data) }, delivered);
    }

    /// <summary>The replica goes on while the link to the coordinator is made anew.</summary>
    private void Returning()
    {
        Receive<Local.Relinked>(linked =>
        {
            var session = _session!;
            session.Exchange!.Connect(linked.Pipe);
            // Before the reports: where the coordinator finds that what this worker holds was rolled back meanwhile, they do not count.
            _line!.Say(Prepared.Of(session.Facts!, session.Replica.Holding, session.Data));
            session.Resume(Self, _welcome.ReportFrom);
            _readiness.NotReady = null;
            Become(Training);
        });
        Receive<Local.NotLinked>(failed => Return($"the link to the coordinator could not be made: {failed.Reason}"));
        Receive<Welcome>(_ => { });
        Receive<Leave>(leave => End(0, leave.Reason));
        ReceiveEnds();
    }

    private void Preparing()
    {
        Receive<WorkerSession.Notice.ReplicaPrepared>(prepared =>
        {
            _log.Info("Prepared: {0} training and {1} test samples, {2} numbers a contribution",
                prepared.Facts.TrainSamples, prepared.Facts.TestSamples, prepared.Facts.Layout.Floats);
            foreach (var note in prepared.Data.Notes) _log.Warning("{0}", note);
            var delivered = _delivered;
            _delivered = null;
            ConnectAsync(_session!, prepared, delivered).PipeTo(Self, failure: error => error is LinkException ? new Local.NotLinked(error.Message) : new WorkerSession.Notice.ReplicaFailed(error.Message));
        });
        ReceiveNotLinked();
        Receive<Local.Linked>(linked =>
        {
            _session!.Attach(linked.Facts, linked.Data, linked.Exchange, linked.Listener);
            if (_welcome.InitialBytes == 0) Begin("");
            else if (linked.Initial is { } initial) _session.Initialize(initial);
        });
        Receive<WorkerSession.Notice.Initialized>(initialized =>
        {
            _log.Info("{0}", initialized.What);
            _session!.Initialized(initialized.Digest);
            Begin(initialized.What.Length > Prepared.MaxInitial ? $"{initialized.What[..(Prepared.MaxInitial - 3)]}..." : initialized.What);
        });
        Receive<Welcome>(_ => { });
        Receive<Leave>(leave => End(0, leave.Reason));
        ReceiveEnds();
    }

    /// <summary>The coordinator may have ended meanwhile, and be started again.</summary>
    private void ReceiveNotLinked() => Receive<Local.NotLinked>(failed =>
    {
        _line!.Say(new Failed(failed.Reason));
        Return(failed.Reason);
    });

    private void Begin(string initial)
    {
        _line!.Say(Prepared.Of(_session!.Facts!, default, _session.Data, initial));
        _readiness.NotReady = null;
        Become(Training);
    }

    private async Task<Local> ConnectAsync(WorkerSession session, WorkerSession.Notice.ReplicaPrepared prepared, DeliveredLink? delivered)
    {
        var (job, facts) = (session.Job, prepared.Facts);
        var identity = new LinkIdentity(JobFile.Fingerprint(job), session.Token, session.Worker);
        var links = _options.Links;
        var exchange = new Exchange(new(identity, session.RoundsOf(facts), prepared.Pool, facts.StateBytes, new(job.IsWireHalf), links, _metrics.Links) { InitialBytes = _welcome.InitialBytes }, session);
        LinkListener? listener = null;
        try
        {
            if (job.IsMesh)
            {
                var address = await ListenAddress.OfAsync(_options.Bind ?? _options.Host, _stopping.Token);
                listener = new(new(address, _options.LinkPort), identity.Job, identity.Token, _ => true, exchange.Accept, _metrics.Links, _logger, links);
                facts = facts with { LinkHost = _options.Host, LinkPort = listener.Port };
            }
            exchange.Connect(delivered?.Pipe ?? await LinkHandshake.ConnectAsync(_welcome.LinkHost, _welcome.LinkPort, identity, links, _stopping.Token));
            return new Local.Linked(exchange, listener, facts, prepared.Data, delivered?.Initial);
        }
        catch (Exception error)
        {
            listener?.Dispose();
            exchange.Dispose();
            delivered?.Dispose();
            if (error is LinkException) throw new LinkException($"the link to the coordinator could not be made: {error.Message}", error);
            throw;
        }
    }

    private void Training()
    {
        var session = _session!;
        _tookPart = true;
        Receive<Halt>(halt => session.Replica.Halt(halt.Generation));
        Receive<BeginPlan>(begin =>
        {
            _log.Info("Generation {0}: from round {1}, {2} worker(s)", begin.Generation, begin.FirstRound, begin.Workers.Length);
            _metrics.GenerationBegan(begin.Generation);
            session.Plan = begin.ToPlan();
            session.Replica.Begin(session.Plan, begin.ToEndpoints(), begin.Best);
        });
        Receive<SendState>(send => session.Replica.SendState(send.Generation));
        Receive<Noted>(noted =>
        {
            _log.Warning("{0}", noted.Text);
            _line!.Say(noted);
        });
        Receive<IWorkerMessage>(_line!.Say);
        Receive<Welcome>(_ => { });
        ReceiveEnds();
    }

    private void ReceiveEnds()
    {
        Receive<Numbered>(numbered =>
        {
            if (_line?.Hear(numbered) is { } content) Self.Tell(content, Sender);
        });
        Receive<Heard>(heard => _line?.Hear(heard));
        Receive<ReportsSafe>(safe => _session?.Forget(safe.Before));
        Receive<CoordinatorLine.Look>(_ =>
        {
            if (_line?.Pass() is { } givenUp) Return(givenUp);
        });
        Receive<QuarantinedEvent>(m => IsCoordinators(m.Address), _ => Return("the control connection to the coordinator cannot be used any more"));
        Receive<ThisActorSystemQuarantinedEvent>(m => IsCoordinators(m.RemoteAddress), _ => Return("the coordinator has given this node up"));
        Receive<Refused>(refused =>
        {
            if (refused.MayReturn) Return($"the coordinator turned this worker away: {refused.Reason}", wasRefused: true);
            else End(1, $"the coordinator turned this worker away: {refused.Reason}");
        });
        Receive<Dismissed>(dismissed => End(0, dismissed.Reason));
        Receive<WorkerSession.Notice.ReplicaFailed>(failed => Fail(failed.Reason));
        Receive<WorkerSession.Notice.LinkLost>(lost => AwaitReason($"the link to the coordinator was lost: {lost.Reason}"));
        Receive<Terminated>(_ => AwaitReason("the coordinator is gone"));
        Receive<Local.ReasonOverdue>(overdue => Return(overdue.Reason));
    }

    private bool IsCoordinators(Address address) => $"{address.Host}:{address.Port}" == _options.Coordinator;

    private void AwaitReason(string reason)
    {
        _readiness.NotReady = reason;
        Timers.StartSingleTimer("reason", new Local.ReasonOverdue(reason), _reasonTimeout);
    }

    private void Fail(string reason)
    {
        if (_line is null) _coordinator.Tell(new Failed(reason));
        else _line.Say(new Failed(reason));
        End(1, reason);
    }

    /// <summary>Looks for the coordinator as another node, since the cluster may have given this one up. What it holds of the job it keeps.</summary>
    private void Return(string reason, bool wasRefused = false)
    {
        _outcome = Returning(reason, wasRefused);
        Context.Stop(Self);
    }

    private WorkerEnd Returning(string reason, bool wasRefused = false)
    {
        _log.Warning("{0}. Looking for the coordinator at {1}", reason, _options.Coordinator);
        _readiness.NotReady = reason;
        return new(1, reason, MayReturn: true, _session is { Exchange: not null } session ? session : null, _tookPart, wasRefused);
    }

    /// <summary>
    /// The coordinator has taken this node out of the cluster, which the others have told it where the coordinator could not:
    /// Akka then stops the whole system.
    /// </summary>
    private static bool IsNodeDown => CoordinatedShutdown.Get(Context.System).ShutdownReason is CoordinatedShutdown.ClusterDowningReason;

    private void End(int exitCode, string reason)
    {
        _outcome = new(exitCode, reason);
        Context.Stop(Self);
    }
}
