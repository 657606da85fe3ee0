using System.Collections.Immutable;
using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

/// <summary>Translates messages into events of <see cref="ClusterProtocol"/>, and executes its effects.</summary>
internal sealed partial class CoordinatorActor : ReceiveActor, IWithTimers
{
    private const string Drained = "it was asked to leave";

    private static readonly TimeSpan _farewell = TimeSpan.FromSeconds(5);

    /// <summary>A worker looks for its coordinator every second, and makes a new node for it.</summary>
    private static readonly TimeSpan _return = TimeSpan.FromSeconds(10);

    private readonly CoordinatorContext _run;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ConnectedWorkers _workers;
    private readonly Watches _watches;
    private readonly ClusterMeter _meter;
    private readonly Drains _drains = new();
    private readonly CheckpointWriter _checkpoints;
    private readonly DataDelivery _data;
    private readonly PreparedNotes _notes;
    private readonly RestartRecord _restart;
    private readonly LocalSupervisor _local;
    private readonly ResultWriter _result;
    private readonly Orders _orders;
    private readonly SafeRecords _records;
    private readonly Queue<ClusterEvent> _events = new();
    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private ClusterProtocol _cluster;
    private ImmutableSortedDictionary<string, Member> _shown;
    private bool _isDeciding;

    /// <param name="cluster">The protocol in its first state.</param>
    public CoordinatorActor(ClusterProtocol cluster, CoordinatorContext run)
    {
        (_cluster, _run, _shown) = (cluster, run, cluster.Members);
        (_watches, _meter) = (new(cluster.Job.MicroBatches), new(run.Metrics.Cluster));
        (_notes, _restart, _result) = (new(run.Recorder, run.Describe), new(run.Recorder, run.Save), new(run.Recorder, run.Outcome, Self));
        _checkpoints = new(run.Checkpoints, run.Recorder, run.Metrics.Checkpoints, _log, Self, () => _restart.IsSaved);
        _data = new(run.Data, run.Links, run.Recorder, run.Metrics, _log, Self);
        _workers = new(run.Metrics.Control);
        _local = new(run.Local, run.MaxRestarts, run.Recorder, run.Metrics.Cluster);
        (_orders, _records) = (new(run, _workers, _checkpoints, _log, Self), new(run, _workers, _restart, Self));
        Receive<Register>(Register);
        Receive<Numbered>(m =>
        {
            // At once: what comes next may be that the worker is gone, and this why.
            if (_workers.Hear(Sender, m) is { } said) OnReceive(said);
        });
        Receive<Heard>(m => _workers.Hear(Sender, m));
        Receive<QuarantinedEvent>(m => Remove(_workers.NameAt(m.Address), "its control connection cannot be used any more"));
        Receive<Prepared>(m => FromWorker(worker =>
        {
            if (_workers.FaultOf(worker, m) is { } fault)
            {
                Remove(worker, fault);
                return;
            }
            _notes.TellInitial(m.Initial);
            Decide(new ClusterEvent.Prepared(worker, m.ToFacts(), m.Holding));
            _notes.Describe(m, _cluster.Facts);
            _records.Tell(worker);
        }));
        Receive<FindData>(m => FromWorker(worker => _data.Offer(worker, Sender, m)));
        Receive<SendData>(m => FromWorker(worker =>
        {
            if (_data.Send(worker, Sender, m) is { } wrong) Remove(worker, wrong);
        }));
        Receive<Halted>(m => FromWorker(worker => Decide(
            new ClusterEvent.Halted(worker, m.Generation, m.Applied, m.Digest, _run.Recorder.Entered))));
        Receive<Synced>(m => FromWorker(worker => Decide(new ClusterEvent.Synced(worker, m.Generation, m.Applied, m.Digest))));
        Receive<RoundsApplied>(m => FromWorker(worker => Enter(worker, m)));
        Receive<PeerLost>(m => FromWorker(worker => Decide(new ClusterEvent.PeerLost(worker, m.Generation, m.Peer, m.Why))));
        Receive<Leave>(m => FromWorker(worker => Decide(new ClusterEvent.Leaving(worker, m.Reason))));
        Receive<Noted>(m => FromWorker(_ => _notes.Tell(m.Text)));
        Receive<Failed>(m => FromWorker(worker => Remove(worker, m.Reason, isOwnFailure: _local.Has(worker))));
        Receive<Terminated>(m => Remove(_workers.NameOf(m.ActorRef), "its process is gone"));
        Receive<CoordinatorNotice.LinkClosed>(m => Remove(m.Worker, m.Reason));
        Receive<CoordinatorNotice.LocalWorkerEnded>(m =>
        {
            Remove(m.Worker, m.Reason);
            GoOnAfter(m.Worker, _local.Ended(m.Worker, m.Reason, m.ExitCode));
        });
        Receive<CoordinatorNotice.RestartLocal>(m => GoOnAfter(m.Worker, _local.Restart(m.Worker)));
        Receive<CoordinatorNotice.Drain>(Drain);
        Receive<CoordinatorNotice.Abort>(m => Fail(m.Reason));
        Receive<CoordinatorNotice.StepAside>(m => StepAside(m.Reason));
        Receive<CoordinatorNotice.Refresh>(_ => Refresh());
        Receive<CoordinatorNotice.ReturnOver>(_ => Decide(new ClusterEvent.ReturnOver()));
        Receive<CoordinatorNotice.CheckpointArrived>(m =>
        {
            if (_cluster.Rounds is { } rounds) _checkpoints.Arrived(m.Applied, m.State, rounds);
        });
        Receive<CoordinatorNotice.CheckpointStored>(m =>
        {
            _checkpoints.Stored(m.Manifest);
            if (_run.Checkpoints.NewestState is { } newest && newest != _cluster.Stored) Decide(new ClusterEvent.Stored(newest));
            _checkpoints.StoreNext();
        });
        Receive<CoordinatorNotice.CheckpointFailed>(m =>
        {
            _checkpoints.Failed(m.Step, m.Reason);
            _checkpoints.StoreNext();
        });
        Receive<CoordinatorNotice.RecordsSafe>(m => _records.Flushed(m.Before));
        Receive<CoordinatorNotice.RecordsUnsafe>(_ => _records.NotFlushed());
        Receive<CoordinatorNotice.DataOffered>(m => _workers.Tell(
            _workers.NameOf(m.Worker), new DataFound(m.Offer.Key, m.Offer.Manifest.Length, m.Offer.Bytes)));
        Receive<CoordinatorNotice.DataNotFound>(m => _workers.Tell(_workers.NameOf(m.Worker), new NoData(m.Reason)));
        Receive<CoordinatorNotice.DataNotSent>(m => Remove(_workers.NameOf(m.Worker), m.Reason));
        Receive<CoordinatorNotice.StateLoaded>(m => _run.Links.SendState(m.Worker, m.Generation, m.Applied, m.State));
        Receive<CoordinatorNotice.StateDamaged>(m =>
        {
            _run.Recorder.Happened(RunEventKind.Fault, $"a checkpoint is skipped: {m.Reason}");
            Decide(new ClusterEvent.Damaged(m.Generation, _run.Checkpoints.NewestState, "a checkpoint could not be read"));
        });
        Receive<CoordinatorNotice.StateCollected>(m =>
        {
            var workers = _cluster.Members.Values.Count(member => member.Status != MemberStatus.Preparing);
            _result.Collected(new(m.State, workers, _cluster.Generations, _cluster.StepsRedone));
            Decide(new ClusterEvent.Collected(_run.Recorder.Shortfall));
        });
        Receive<CoordinatorNotice.ResultWritten>(_ => Decide(new ClusterEvent.Saved()));
        Receive<CoordinatorNotice.ResultNotWritten>(m =>
        {
            if (_result.Failed(m.Error) is { } reason) Fail(reason);
            else Timers.StartSingleTimer("result", new CoordinatorNotice.WriteResult(), ResultWriter.Pause);
        });
        Receive<CoordinatorNotice.WriteResult>(_ => _result.Write());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(QuarantinedEvent));
        Timers.StartPeriodicTimer("refresh", new CoordinatorNotice.Refresh(), RunRecorder.Interval);
        if (_cluster.Facts is { } facts) _run.Links.Open(facts, _cluster.Rounds!);
        if (!_cluster.Returning.IsEmpty) Timers.StartSingleTimer("return", new CoordinatorNotice.ReturnOver(), _return);
    }

    /// <summary>The failure took the state with it: ending is better than starting from nothing.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        Fail($"the coordinator could not handle {message.GetType().Name}: {reason.Message}");
        Context.Stop(Self);
    }

    protected override void PostStop()
    {
        _drains.SettleAll(DrainResult.Failed, _ => "the coordinator was stopped");
        _run.Result.TrySetException(new RunFailedException("the coordinator was stopped"));
    }

    private void Register(Register register)
    {
        if (_workers.WelcomeAgain(Sender) || _workers.IsParting(Sender)) return;
        var hadPart = _run.HadPart(register);
        if (_workers.FaultOf(register) is { } fault)
        {
            ConnectedWorkers.Refuse(Sender, fault, _log);
            return;
        }
        // Its end of the former connection is closed, which this one has not noticed yet.
        if (hadPart) Remove(register.Name, "it has come back over a new connection");
        var worker = _workers.Add(Context.Watch(Sender), register);
        _run.Links.Admit(worker);
        _run.Targets.Add(worker, new(Sender.Path.Address.Host ?? "", register.MetricsPort));
        _run.Recorder.Happened(RunEventKind.Joined, $"{worker} has joined, with {Shown.Of(register.Device)}", worker);
        Decide(new ClusterEvent.Registered(worker, hadPart, register.Holding, register.ReportsFrom, _run.Recorder.Entered));
    }

    private void Enter(string worker, RoundsApplied progress)
    {
        if (_run.Recorder.Gap(progress.Rounds) is { } gap)
        {
            // When it returns, the welcome says from which round on its reports are missing.
            Decide(new ClusterEvent.ReportsMissing(worker, gap));
            return;
        }
        if (_run.Recorder.Applied(worker, progress.Rounds) is { } wrong)
        {
            Decide(new ClusterEvent.RecordsContradicted(wrong));
            return;
        }
        if (progress.Rounds is not [.., var last]) return;
        _watches.Applied(worker, progress.Rounds, _cluster.Rounds!);
        _local.Applied(worker);
        Decide(new ClusterEvent.Reached(worker, last.Round + 1));
        _checkpoints.StoreNext();
        _records.FlushIfDue(_cluster.Facts);
    }

    private void Drain(CoordinatorNotice.Drain drain)
    {
        if (_drains.Add(drain, _workers.Names)) Decide(new ClusterEvent.Leaving(drain.Worker, Drained));
    }

    private void GoOnAfter(string worker, RestartDecision? decision)
    {
        if (decision is RestartDecision.Restart restart)
            Timers.StartSingleTimer($"restart {worker}", new CoordinatorNotice.RestartLocal(worker), restart.After);
        else if (decision is RestartDecision.None none) Decide(_local.GiveUp(worker, none));
    }

    /// <summary>A worker is gone.</summary>
    /// <param name="isOwnFailure">Whether it is a local worker that said itself that it cannot go on.</param>
    private void Remove(string? worker, string why, bool isOwnFailure = false)
    {
        var isDismissed = worker is not null && _workers.IsDismissed(worker);
        if (worker is null || _workers.Remove(worker) is not { } lost) return;
        _drains.Settle(worker, DrainResult.Failed, $"{worker} is lost: {why}");
        Context.Unwatch(lost);
        // A dismissed worker leaves the cluster by itself, which it could not do once it is taken out.
        if (!isDismissed) _run.Down?.Invoke(lost.Path.Address);
        Forget(worker);
        Decide(new ClusterEvent.Lost(worker, _local.WithLog(worker, why), isOwnFailure));
    }

    private void Forget(string worker)
    {
        _run.Targets.Remove(worker);
        _run.Links.Remove(worker);
        _run.Recorder.WorkerGone(worker);
        _watches.Forget(worker);
    }

    private void Decide(ClusterEvent happened)
    {
        _events.Enqueue(happened);
        // Effects may cause events of their own, which follow when all effects are executed.
        if (_isDeciding) return;
        _isDeciding = true;
        while (_events.TryDequeue(out var next))
        {
            var before = _cluster;
            (_cluster, var effects) = before.Handle(next);
            _meter.Changed(before, _cluster, Stopwatch.GetElapsedTime(_startedAt));
            _restart.Keep(_cluster);
            if (_cluster.Phase == ClusterPhase.Gathering && before.Phase != ClusterPhase.Gathering)
                _run.Recorder.Phase("waiting for workers");
            foreach (var effect in effects) Execute(effect);
        }
        _isDeciding = false;
    }

    /// <summary>Shows the members at the rate of the display, however often they change.</summary>
    private void Refresh()
    {
        if (_shown != _cluster.Members)
        {
            _shown = _cluster.Members;
            _run.Recorder.Workers(_shown.Values
                .Where(m => _workers.DeviceOf(m.Id) is not null)
                .Select(m => (m.Id, _workers.DeviceOf(m.Id)!, m.Status)));
        }
        _run.Recorder.Refresh();
        _restart.Retry();
        _notes.Retry();
        _records.FlushIfDue(_cluster.Facts);
        var elapsed = _watches.Elapsed();
        foreach (var (worker, why) in _workers.Pass(elapsed)) Remove(worker, why);
        if (_watches.Overdue(elapsed, _cluster) is { } overdue) Decide(overdue);
        if (_watches.Unbalanced(elapsed, _cluster) is { } unbalanced) Decide(unbalanced);
    }

    private void FromWorker(Action<string> handle)
    {
        if (_workers.NameOf(Sender) is { } worker) handle(worker);
        else Unhandled($"a message from {Sender.Path}, which is no worker of this job");
    }
}
