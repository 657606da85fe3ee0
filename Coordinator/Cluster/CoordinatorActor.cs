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

/// <summary>Between messages and <see cref="ClusterProtocol"/>: translates what comes into events, and carries out its effects.</summary>
internal sealed class CoordinatorActor : ReceiveActor, IWithTimers
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
    private readonly CheckpointKeeper _checkpoints;
    private readonly DataDelivery _data;
    private readonly PreparedNotes _notes;
    private readonly RestartRecord _restart;
    private readonly LocalSupervisor _local;
    private readonly ResultKeeper _result;
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
        _data = new(run.Data, run.Star, run.Recorder, run.Metrics, _log, Self);
        _workers = new(run.Metrics.Control);
        _local = new(run.Local, run.MaxRestarts, run.Recorder, run.Metrics.Cluster);
        (_orders, _records) = (new(run, _workers, _checkpoints, _log, Self), new(run, _workers, _restart, Self));
        Receive<Register>(Take);
        Receive<Numbered>(m =>
        {
            // At once: what comes next may be that the worker is gone, and this why.
            if (_workers.Hear(Sender, m) is { } said) OnReceive(said);
        });
        Receive<Heard>(m => _workers.Hear(Sender, m));
        Receive<QuarantinedEvent>(m => Lose(_workers.NameAt(m.Address), "its control connection cannot be used any more"));
        Receive<Prepared>(m => FromWorker(worker =>
        {
            if (_workers.FaultOf(worker, m) is { } fault)
            {
                Lose(worker, fault);
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
            if (_data.Send(worker, Sender, m) is { } wrong) Lose(worker, wrong);
        }));
        Receive<Halted>(m => FromWorker(worker => Halt(worker, m)));
        Receive<Synced>(m => FromWorker(worker => Decide(new ClusterEvent.Synced(worker, m.Generation, m.Applied, m.Digest))));
        Receive<RoundsApplied>(m => FromWorker(worker => Enter(worker, m)));
        Receive<PeerLost>(m => FromWorker(worker => Decide(new ClusterEvent.PeerLost(worker, m.Generation, m.Peer, m.Why))));
        Receive<Leave>(m => FromWorker(worker => Decide(new ClusterEvent.Leaving(worker, m.Reason))));
        Receive<Noted>(m => FromWorker(_ => _notes.Tell(m.Text)));
        Receive<Failed>(m => FromWorker(worker => Lose(worker, m.Reason, isSaid: true)));
        Receive<Terminated>(m => Lose(_workers.NameOf(m.ActorRef), "its process is gone"));
        Receive<CoordinatorNotice.LinkClosed>(m => Lose(m.Worker, m.Reason));
        Receive<CoordinatorNotice.LocalWorkerEnded>(m =>
        {
            Lose(m.Worker, m.Reason);
            GoOnAfter(m.Worker, m.Reason, _local.Ended(m.Worker, m.Reason, m.ExitCode));
        });
        Receive<CoordinatorNotice.RestartLocal>(m => GoOnAfter(m.Worker, "it could not be started", _local.Restart(m.Worker)));
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
            if (_run.Checkpoints.Newest is { } newest && newest != _cluster.Stored) Decide(new ClusterEvent.Stored(newest));
            _checkpoints.StoreNext();
        });
        Receive<CoordinatorNotice.CheckpointFailed>(m =>
        {
            _checkpoints.Failed(m.Step, m.Reason);
            _checkpoints.StoreNext();
        });
        Receive<CoordinatorNotice.RecordsSafe>(m => _records.Flushed(m.Before));
        Receive<CoordinatorNotice.RecordsUnsafe>(_ => _records.NotFlushed());
        Receive<CoordinatorNotice.DataOffered>(m => _workers.Tell(_workers.NameOf(m.Worker), new DataFound(m.Offer.Key, m.Offer.Manifest.Length, m.Offer.Bytes)));
        Receive<CoordinatorNotice.DataNotFound>(m => _workers.Tell(_workers.NameOf(m.Worker), new NoData(m.Reason)));
        Receive<CoordinatorNotice.DataNotSent>(m => Lose(_workers.NameOf(m.Worker), m.Reason));
        Receive<CoordinatorNotice.StateLoaded>(m => _run.Star.SendState(m.Worker, m.Generation, m.Applied, m.State));
        Receive<CoordinatorNotice.StateDamaged>(m =>
        {
            if (m.Generation != _cluster.Generation) return;
            _run.Recorder.Happened(RunEventKind.Fault, $"a checkpoint is skipped: {m.Reason}");
            Decide(new ClusterEvent.Damaged(_run.Checkpoints.Newest, "a checkpoint could not be read"));
        });
        Receive<CoordinatorNotice.StateCollected>(m =>
        {
            if (_run.Recorder.Shortfall is { } missing)
            {
                Fail(missing);
                return;
            }
            _result.Collected(new(m.State, _cluster.Members.Values.Count(member => member.Status != MemberStatus.Preparing), _cluster.Generations, _cluster.StepsRedone));
            Decide(new ClusterEvent.Collected());
        });
        Receive<CoordinatorNotice.ResultWritten>(_ => Decide(new ClusterEvent.Saved()));
        Receive<CoordinatorNotice.ResultNotWritten>(m =>
        {
            if (_result.Failed(m.Error) is { } reason) Fail(reason);
            else Timers.StartSingleTimer("result", new CoordinatorNotice.WriteResult(), ResultKeeper.Pause);
        });
        Receive<CoordinatorNotice.WriteResult>(_ => _result.Write());
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(QuarantinedEvent));
        Timers.StartPeriodicTimer("refresh", new CoordinatorNotice.Refresh(), RunRecorder.Interval);
        if (_cluster.Facts is { } facts) _run.Star.Open(facts, _cluster.Rounds!);
        if (!_cluster.Returning.IsEmpty) Timers.StartSingleTimer("return", new CoordinatorNotice.ReturnOver(), _return);
    }

    /// <summary>What went wrong took the state with it: better an end than a start from nothing.</summary>
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

    private void Take(Register register)
    {
        if (_workers.WelcomeAgain(Sender) || _workers.IsParting(Sender)) return;
        var hadPart = _run.HadPart(register);
        // Rounds that neither this coordinator nor the worker can enter any more are done again.
        var isAdopted = hadPart && _cluster.CanAdopt(register.Holding) && register.ReportsFrom <= _run.Recorder.Entered;
        if (_workers.FaultOf(register) is { } fault)
        {
            ConnectedWorkers.Refuse(Sender, fault, _log);
            return;
        }
        // Its end of the former connection is closed, which this one has not noticed yet.
        if (hadPart) Lose(register.Name, "it has come back over a new connection");
        var worker = _workers.Add(Context.Watch(Sender), register);
        _run.Star.Admit(worker);
        _run.Targets.Add(worker, new(Sender.Path.Address.Host ?? "", register.MetricsPort));
        _run.Recorder.Happened(RunEventKind.Joined, $"{worker} has joined, with {Shown.Of(register.Device)}", worker);
        Decide(new ClusterEvent.Registered(worker));
        if (!isAdopted && _run.Initial is { } initial) _run.Star.SendInitial(worker, initial.File);
        _workers.Welcome(worker, new(worker, _run.Job, _run.LinkHost, _run.Star.Port, _run.Star.Token, isAdopted, _run.Recorder.Entered,
            _run.Initial?.File.Length ?? 0, _run.Initial?.IsStrict ?? true));
    }

    private void Enter(string worker, RoundsApplied progress)
    {
        if (_run.Recorder.Gap(progress.Rounds) is { } gap)
        {
            // When it comes back, it is told from which round on its reports are missing.
            Lose(worker, gap, farewell: new Refused(gap, MayReturn: true));
            return;
        }
        if (_run.Recorder.Applied(worker, progress.Rounds) is { } wrong)
        {
            Fail(wrong);
            return;
        }
        if (progress.Rounds is not [.., var last]) return;
        _watches.Applied(worker, progress.Rounds, _cluster.Rounds!);
        _local.Applied(worker);
        Decide(new ClusterEvent.Reached(worker, last.Round + 1));
        _checkpoints.StoreNext();
        _records.FlushIfDue(_cluster.Facts);
    }

    private void Halt(string worker, Halted halted)
    {
        // A state that a former coordinator passed on may reach a worker after it has offered itself to this one.
        if (_run.Recorder.Unreported(halted.Applied) is { } unreported) Lose(worker, unreported, farewell: new Refused(unreported, MayReturn: true));
        else Decide(new ClusterEvent.Halted(worker, halted.Generation, halted.Applied, halted.Digest));
    }

    private void Drain(CoordinatorNotice.Drain drain)
    {
        if (_drains.Add(drain, _workers.Names)) Decide(new ClusterEvent.Leaving(drain.Worker, Drained));
    }

    private void GoOnAfter(string worker, string why, RestartDecision? decision)
    {
        if (decision is RestartDecision.Restart restart)
            Timers.StartSingleTimer($"restart {worker}", new CoordinatorNotice.RestartLocal(worker), restart.After);
        else if (decision is RestartDecision.None && IsStart) Fail($"{worker} failed: {_local.WithLog(worker, why)}");
        else if (decision is RestartDecision.None none) Decide(_local.GiveUp(worker, none));
    }

    /// <summary>A worker is gone; where <paramref name="isSaid"/>, it has said itself that it cannot go on.</summary>
    private void Lose(string? worker, string why, bool isSaid = false, Refused? farewell = null)
    {
        var isDismissed = worker is not null && _workers.IsDismissed(worker);
        if (worker is null || _workers.Remove(worker, farewell) is not { } lost) return;
        _drains.Settle(worker, DrainResult.Failed, $"{worker} is lost: {why}");
        if (isSaid && IsStart && _local.Has(worker))
        {
            // There is nothing to save: better to say at once what is wrong with this machine.
            Fail($"{worker} failed: {_local.WithLog(worker, why)}");
            return;
        }
        Context.Unwatch(lost);
        // One that was dismissed leaves the cluster by itself, which it could not once it is taken out.
        if (!isDismissed) _run.Down?.Invoke(lost.Path.Address);
        Forget(worker);
        Decide(new ClusterEvent.Lost(worker, _local.WithLog(worker, why)));
    }

    private void Forget(string worker)
    {
        _run.Targets.Remove(worker);
        _run.Star.Expel(worker);
        _run.Recorder.WorkerGone(worker);
        _watches.Forget(worker);
    }

    /// <summary>Nobody has computed yet, or whoever began is gone without a result.</summary>
    private bool IsStart => _cluster.Generation == 0 || (_workers.Names.Count == 0 && _cluster.Reached == 0);

    private void Decide(ClusterEvent happened)
    {
        _events.Enqueue(happened);
        // Effects may bring about events of their own, which have their turn when all effects are carried out.
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
            foreach (var effect in effects) Carry(effect);
        }
        _isDeciding = false;
    }

    /// <summary>However often something happens, the workers are looked through only as often as somebody could see it.</summary>
    private void Refresh()
    {
        if (_shown != _cluster.Members)
        {
            _shown = _cluster.Members;
            _run.Recorder.Workers(_shown.Values.Where(m => _workers.DeviceOf(m.Id) is not null).Select(m => (m.Id, _workers.DeviceOf(m.Id)!, m.Status)));
        }
        _run.Recorder.Refresh();
        _restart.Retry();
        _notes.Retry();
        _records.FlushIfDue(_cluster.Facts);
        var elapsed = _watches.Elapsed();
        foreach (var (worker, why) in _workers.Pass(elapsed)) Lose(worker, why);
        if (_watches.Overdue(elapsed, _cluster) is { } overdue) Decide(overdue);
        if (_watches.Unbalanced(elapsed, _cluster) is { } unbalanced) Decide(unbalanced);
    }

    private void Carry(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Refuse refuse:
                _run.Recorder.Happened(RunEventKind.Refused, $"{refuse.Worker} was turned away: {refuse.Reason}", refuse.Worker);
                if (!refuse.MayReturn) _local.Refused(refuse.Worker);
                if (_workers.Remove(refuse.Worker, new Refused(refuse.Reason, refuse.MayReturn)) is { } refused)
                    _log.Warning("{0} refused: {1}", Context.Unwatch(refused).Path, refuse.Reason);
                Forget(refuse.Worker);
                _drains.Settle(refuse.Worker, DrainResult.Failed, $"{refuse.Worker} was turned away: {refuse.Reason}");
                break;
            case ClusterEffect.Dismiss dismiss:
                var isAsked = _drains.IsAsked(dismiss.Worker);
                var left = $"{dismiss.Worker} has left, as it {(isAsked ? "was asked" : "asked")} to";
                _run.Recorder.Happened(RunEventKind.Left, left, dismiss.Worker);
                _workers.Tell(dismiss.Worker, new Dismissed(isAsked ? Drained : "it has asked to leave"));
                _drains.Settle(dismiss.Worker, DrainResult.Left, left);
                break;
            case ClusterEffect.HoldBack held:
                var stays = $"{held.Worker} wants to leave, but nobody else holds the parameters: it stays until another worker has them";
                _run.Recorder.Happened(RunEventKind.Note, stays, held.Worker);
                _drains.Settle(held.Worker, DrainResult.HeldBack, stays);
                break;
            case ClusterEffect.Save:
                _result.Write();
                break;
            case ClusterEffect.Finish:
                _run.Recorder.Happened(RunEventKind.Finished, "the job is done");
                SayGoodbye("the job is done");
                break;
            case ClusterEffect.Fail fail:
                if (fail.IsMismatch) _run.Metrics.Cluster.DigestDiffered();
                Fail(fail.Reason);
                break;
            case ClusterEffect.Announce announce:
                _run.Recorder.Happened(announce.Lost is null ? RunEventKind.Note : RunEventKind.Lost, announce.Text, announce.Lost);
                break;
            default:
                _orders.Give(effect, _cluster.Generations is [.., var newest] ? newest.Reason : "");
                break;
        }
    }

    /// <summary>The links stay open until the workers have heard that nothing is wrong.</summary>
    private void SayGoodbye(string reason)
    {
        Timers.StartSingleTimer("farewell", new CoordinatorNotice.Overdue(), _farewell);
        _drains.SettleAll(DrainResult.Left, worker => $"{worker} leaves: {reason}");
        var farewell = new Farewell(
            _run, _workers, _watches, _log, new Dismissed(reason), new(DrainResult.Left, $"all workers leave: {reason}"));
        farewell.Say();
        Become(() => ReceiveAny(message =>
        {
            farewell.Answer(message, Sender);
            EndWhenAlone(message is CoordinatorNotice.Overdue);
        }));
        EndWhenAlone(isOverdue: false);
    }

    private void EndWhenAlone(bool isOverdue)
    {
        if (isOverdue || _workers.Names.Count == 0) _run.Result.TrySetResult(_result.Result!);
    }

    private void Fail(string reason) =>
        End(RunEventKind.Failed, reason, reason, new Refused($"the job failed: {reason}", MayReturn: false));

    /// <summary>The workers are told nothing: they learn of it as of a coordinator that was killed.</summary>
    private void StepAside(string reason) =>
        End(RunEventKind.Note, "the coordinator was told to stop; another one takes its place", reason, null);

    private void End(RunEventKind kind, string happened, string reason, Refused? said)
    {
        var drained = said?.Reason ?? reason;
        var farewell = new Farewell(_run, _workers, _watches, _log, said, new(DrainResult.Failed, drained));
        farewell.Say();
        _drains.SettleAll(DrainResult.Failed, _ => drained);
        try
        {
            _run.Recorder.Happened(kind, happened);
        }
        finally
        {
            // Also where that could not be written down: somebody waits for the end.
            _run.Result.TrySetException(new RunFailedException(reason));
        }
        Become(() => ReceiveAny(message => farewell.Answer(message, Sender)));
    }

    private void FromWorker(Action<string> handle)
    {
        if (_workers.NameOf(Sender) is { } worker) handle(worker);
        else Unhandled($"a message from {Sender.Path}, which is no worker of this job");
    }
}
