using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Checkpoints;
using Distributed.Coordinator.Delivery;
using Distributed.Coordinator.Draining;
using Distributed.Coordinator.Links;
using Distributed.Coordinator.Metering;
using Distributed.Coordinator.Runs;
using Distributed.Shared.Kernel;
using Distributed.Shared.Metrics;
using Distributed.Shared.Processes;
using Distributed.Shared.Protocol;
using Distributed.Shared.Runs;

namespace Distributed.Coordinator.Actors;

/// <summary>What a run has come to.</summary>
/// <param name="State">The trained state, as a safetensors file.</param>
/// <param name="Workers">Workers of the last plan.</param>
/// <param name="Generations">Every generation and why it began.</param>
/// <param name="StepsRedone">Steps that had to be done again, because nobody was left who held them.</param>
public sealed record RunResult(byte[] State, int Workers, IReadOnlyList<GenerationStart> Generations, long StepsRedone);

/// <summary>A run that could not be finished; the message says why, in a user's words.</summary>
public sealed class RunFailedException(string message) : Exception(message);

/// <summary>What the coordinator's actor works with.</summary>
/// <param name="Job">The resolved job file, as it goes to the workers.</param>
/// <param name="LinkHost">Address that workers reach the links at.</param>
/// <param name="Star">The data plane.</param>
/// <param name="Recorder">What people see.</param>
/// <param name="Checkpoints">Stores states.</param>
/// <param name="Metrics">Is told what happens.</param>
/// <param name="Targets">Is told where the workers' metrics are.</param>
/// <param name="Result">Receives the outcome.</param>
/// <param name="LogOf">Where the log of a worker is, if this coordinator has started it.</param>
/// <param name="Down">Takes the node at an address out of the cluster at once: a newcomer is let in only when nobody is missing.</param>
/// <param name="Initial">What workers begin with; null for parameters drawn from the seed.</param>
/// <param name="Data">Sends workers the data that they have not got; null where there is none to send.</param>
/// <param name="Describe">Writes down what the data is like; says what was wrong, in a user's words, null if nothing was.</param>
/// <param name="Save">Writes down what a coordinator needs that is started again; says what was wrong, in a user's words, null if nothing was.</param>
public sealed record CoordinatorContext(string Job, string LinkHost, StarServer Star, RunRecorder Recorder, CheckpointDesk Checkpoints, TrainingMetrics Metrics, ScrapeTargets Targets, TaskCompletionSource<RunResult> Result,
    Func<string, string?>? LogOf = null, Action<Address>? Down = null, Func<ClusterProtocol, string?>? Save = null, InitialParameters? Initial = null,
    Func<DataDescription, string?>? Describe = null, DataDesk? Data = null);

/// <summary>What the coordinator's process tells its actor; never leaves the process.</summary>
public abstract record CoordinatorNotice : INoSerializationVerificationNeeded
{
    /// <summary>A worker's link is closed, and has been for a while where <paramref name="IsOld"/>.</summary>
    public sealed record LinkClosed(string Worker, string Reason, bool IsOld = false) : CoordinatorNotice;

    /// <summary>A worker process that this coordinator started has ended by itself.</summary>
    public sealed record LocalWorkerEnded(string Worker, string Reason) : CoordinatorNotice;

    /// <summary>Somebody wants a worker to leave, and to hear what comes of it.</summary>
    public sealed record Drain(string Worker, TaskCompletionSource<DrainOutcome> Outcome) : CoordinatorNotice;

    /// <summary>The run is to end now.</summary>
    public sealed record Abort(string Reason) : CoordinatorNotice;

    /// <summary>This process is to end now; another takes over the run and its workers.</summary>
    public sealed record StepAside(string Reason) : CoordinatorNotice;

    /// <summary>The result has arrived.</summary>
    public sealed record StateCollected(byte[] State) : CoordinatorNotice;

    /// <summary>A state has come that is to be stored.</summary>
    public sealed record CheckpointArrived(long Applied, byte[] State) : CoordinatorNotice;

    /// <summary>It is stored.</summary>
    public sealed record CheckpointStored(Manifest Manifest) : CoordinatorNotice;

    /// <summary>It could not be stored.</summary>
    public sealed record CheckpointFailed(long Step, string Reason) : CoordinatorNotice;

    /// <summary>The stored state that a worker is to be sent.</summary>
    public sealed record StateLoaded(string Worker, int Generation, long Applied, byte[] State) : CoordinatorNotice;

    /// <summary>It cannot be read.</summary>
    public sealed record StateDamaged(int Generation, string Reason) : CoordinatorNotice;

    /// <summary>Data has been found for a worker that has not got it.</summary>
    public sealed record DataOffered(IActorRef Worker, DataOffer Offer) : CoordinatorNotice;

    /// <summary>None has been found.</summary>
    public sealed record DataNotFound(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>Not all of it could be sent.</summary>
    public sealed record DataNotSent(IActorRef Worker, string Reason) : CoordinatorNotice;

    /// <summary>What people see is to be brought up to date.</summary>
    public sealed record Refresh : CoordinatorNotice;

    /// <summary>The workers of the last plan had time enough to come back.</summary>
    public sealed record ReturnOver : CoordinatorNotice;

    /// <summary>The workers had time enough to end.</summary>
    public sealed record Overdue : CoordinatorNotice;
}

/// <summary>Between messages and <see cref="ClusterProtocol"/>: translates what comes into events, and carries out its effects.</summary>
public sealed partial class CoordinatorActor : ReceiveActor, IWithTimers
{
    private const string Drained = "it was asked to leave";

    private static readonly TimeSpan _farewell = TimeSpan.FromSeconds(5);

    /// <summary>A worker looks for its coordinator every second, and makes a new node for it.</summary>
    private static readonly TimeSpan _return = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan _reasonTimeout = TimeSpan.FromSeconds(1);

    private readonly CoordinatorContext _run;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<string, (IActorRef Ref, string Device)> _workers = new(StringComparer.Ordinal);
    private readonly Dictionary<IActorRef, string> _ids = [];
    private readonly Queue<ClusterEvent> _events = new();
    private ClusterProtocol _cluster;
    private ImmutableSortedDictionary<string, Member> _shown;
    private readonly ProgressWatch _watch = new();
    private readonly StragglerWatch _stragglers;
    private readonly ClusterMeter _meter;
    private readonly Drains _drains = new();
    private RunResult? _result;
    private ClusterProtocol? _saved;
    private string? _saveError;
    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private long _lastTick = Stopwatch.GetTimestamp();
    private long _safe;
    private readonly SortedDictionary<RoundKind, CoordinatorNotice.CheckpointArrived> _unstored = [];
    private bool _isStoring;
    private long _storingSince;
    private bool _isInitialTold;
    private bool _isDescribed;
    private (int Generation, Task<(long Applied, byte[] State)>? Task) _loading;
    private bool _isDeciding;

    /// <summary>Runs a job.</summary>
    /// <param name="cluster">The protocol in its first state.</param>
    /// <param name="run">What it works with.</param>
    public CoordinatorActor(ClusterProtocol cluster, CoordinatorContext run)
    {
        (_cluster, _run, _shown, _stragglers, _meter) = (cluster, run, cluster.Members, new(cluster.Job.MicroBatches), new(run.Metrics.Cluster));
        Receive<Register>(Take);
        Receive<Prepared>(m => FromWorker(worker =>
        {
            Tell(m.Initial);
            Decide(new ClusterEvent.Prepared(worker, m.ToFacts(), m.Holding));
            Describe(m);
        }));
        Receive<FindData>(m => FromWorker(worker => Offer(worker, m)));
        Receive<SendData>(m => FromWorker(worker => Deliver(worker, m)));
        Receive<Halted>(m => FromWorker(worker => Decide(new ClusterEvent.Halted(worker, m.Generation, m.Applied, m.Digest))));
        Receive<Synced>(m => FromWorker(worker => Decide(new ClusterEvent.Synced(worker, m.Generation, m.Applied, m.Digest))));
        Receive<RoundsApplied>(m => FromWorker(worker => Enter(worker, m)));
        Receive<PeerLost>(m => FromWorker(worker => Decide(new ClusterEvent.PeerLost(worker, m.Generation, m.Peer, m.Why))));
        Receive<Leave>(m => FromWorker(worker => Decide(new ClusterEvent.Leaving(worker, m.Reason))));
        Receive<Failed>(m => FromWorker(worker => Lose(worker, m.Reason)));
        Receive<Terminated>(m => Lose(WorkerOf(m.ActorRef), "its process is gone"));
        Receive<CoordinatorNotice.LinkClosed>(m =>
        {
            // Where that ends the job, it is worth while to wait for what the worker says of it, which comes over another connection.
            if (IsStart && !m.IsOld && _run.LogOf?.Invoke(m.Worker) is not null) Timers.StartSingleTimer(m, m with { IsOld = true }, _reasonTimeout);
            else Lose(m.Worker, m.Reason);
        });
        Receive<CoordinatorNotice.LocalWorkerEnded>(EndLocal);
        Receive<CoordinatorNotice.Drain>(Drain);
        Receive<CoordinatorNotice.Abort>(m => Fail(m.Reason));
        Receive<CoordinatorNotice.StepAside>(m => StepAside(m.Reason));
        Receive<CoordinatorNotice.Refresh>(_ => Refresh());
        Receive<CoordinatorNotice.ReturnOver>(_ => Decide(new ClusterEvent.ReturnOver()));
        Receive<CoordinatorNotice.CheckpointArrived>(m =>
        {
            if (_cluster.Rounds is not { } rounds || m.Applied < 1 || m.Applied > rounds.Count) return;
            // One that an evaluation was of may be the best: none of the others takes its place.
            var kind = rounds.At(m.Applied - 1).Kind;
            if (_unstored.TryGetValue(kind, out var late)) _log.Info("The checkpoint after {0} rounds is left out: another was still being written", late.Applied);
            _unstored[kind] = m;
            Store();
        });
        Receive<CoordinatorNotice.CheckpointStored>(m =>
        {
            var bytes = m.Manifest.Files.Sum(file => file.Bytes);
            _run.Recorder.Happened(RunEventKind.Checkpoint, $"checkpoint of step {m.Manifest.Step}: {bytes} bytes");
            _run.Metrics.Checkpoints.Stored(bytes, m.Manifest.SavedAt, Stopwatch.GetElapsedTime(_storingSince));
            _isStoring = false;
            if (_run.Checkpoints.Newest is { } newest && newest != _cluster.Stored) Decide(new ClusterEvent.Stored(newest));
            Store();
        });
        Receive<CoordinatorNotice.CheckpointFailed>(m =>
        {
            _run.Recorder.Happened(RunEventKind.Fault, $"the checkpoint of step {m.Step} could not be written: {m.Reason} Training goes on");
            _run.Metrics.Checkpoints.Failed();
            _isStoring = false;
            Store();
        });
        Receive<CoordinatorNotice.DataOffered>(m => m.Worker.Tell(new DataFound(m.Offer.Key, m.Offer.Manifest.Length, m.Offer.Bytes)));
        Receive<CoordinatorNotice.DataNotFound>(m => m.Worker.Tell(new NoData(m.Reason)));
        Receive<CoordinatorNotice.DataNotSent>(m => Lose(WorkerOf(m.Worker), m.Reason));
        Receive<CoordinatorNotice.StateLoaded>(m => _run.Star.SendState(m.Worker, m.Generation, m.Applied, m.State));
        Receive<CoordinatorNotice.StateDamaged>(m =>
        {
            if (m.Generation != _cluster.Generation) return;
            _run.Recorder.Happened(RunEventKind.Fault, $"a checkpoint is skipped: {m.Reason}");
            Decide(new ClusterEvent.Damaged(_run.Checkpoints.Newest, "a checkpoint could not be read"));
        });
        Receive<CoordinatorNotice.StateCollected>(m =>
        {
            _result = new(m.State, _cluster.Members.Values.Count(member => member.Status != MemberStatus.Preparing), _cluster.Generations, _cluster.StepsRedone);
            Decide(new ClusterEvent.Collected());
        });
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
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

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _drains.SettleAll(DrainResult.Failed, _ => "the coordinator was stopped");
        _run.Result.TrySetException(new RunFailedException("the coordinator was stopped"));
    }

    private void Take(Register register)
    {
        var hadPart = register.Token.AsSpan().SequenceEqual(_run.Star.Token);
        var isAdopted = hadPart && _cluster.CanAdopt(register.Holding);
        if (WorkerOf(Sender) is { } known)
        {
            Welcome(known, isAdopted);
            return;
        }
        if (register.Version != ProtocolSerializer.Version)
        {
            Refuse(Sender, ProtocolSerializer.Difference(register.Version));
            return;
        }
        if (!AllowedName().IsMatch(register.Name))
        {
            Refuse(Sender, "its name is not allowed; allowed are 1 to 63 letters, digits, dots, dashes and underscores");
            return;
        }
        var worker = register.Name;
        // Its end of the former connection is closed, which this one has not noticed yet.
        if (hadPart) Lose(worker, "it has come back over a new connection");
        for (var i = 2; _workers.ContainsKey(worker); i++) worker = $"{register.Name}-{i}";
        _workers[worker] = (Context.Watch(Sender), register.Device);
        _ids[Sender] = worker;
        _run.Star.Admit(worker);
        _run.Targets.Add(worker, new(Sender.Path.Address.Host ?? "", register.MetricsPort));
        _run.Recorder.Happened(RunEventKind.Joined, $"{worker} has joined, with {register.Device}", worker);
        Decide(new ClusterEvent.Registered(worker));
        if (!isAdopted && _run.Initial is { } initial) _run.Star.SendInitial(worker, initial.File);
        Welcome(worker, isAdopted);
    }

    private void Welcome(string worker, bool isAdopted) =>
        Sender.Tell(new Welcome(worker, _run.Job, _run.LinkHost, _run.Star.Port, _run.Star.Token, isAdopted, _run.Recorder.Entered,
            _run.Initial?.File.Length ?? 0, _run.Initial?.IsStrict ?? true));

    /// <summary>All workers take the same out of the same file: said once.</summary>
    private void Tell(string initial)
    {
        if (_isInitialTold || initial.Length is 0 or > Prepared.MaxInitial) return;
        _isInitialTold = true;
        _run.Recorder.Happened(RunEventKind.Note, initial);
    }

    /// <summary>All workers have the same data: written down and told once.</summary>
    private void Describe(Prepared prepared)
    {
        if (_isDescribed || prepared.Data.Length == 0 || _cluster.Facts?.DataFingerprint != prepared.DataFingerprint) return;
        try
        {
            var data = DataDescription.Parse(prepared.Data);
            _isDescribed = true;
            foreach (var note in data.Notes) _run.Recorder.Happened(RunEventKind.Note, Shown.InFull(note));
            if (_run.Describe?.Invoke(data) is { } error) _run.Recorder.Happened(RunEventKind.Fault, $"what the data is like could not be written: {error}");
        }
        catch (FormatException error)
        {
            _run.Recorder.Happened(RunEventKind.Fault, $"a worker's description of the data is none: {error.Message}");
        }
    }

    private void Offer(string worker, FindData wanted)
    {
        if (_run.Data is not { } data)
        {
            Sender.Tell(new NoData("it has no data"));
            return;
        }
        _log.Info("{0} asks for the data: {1}", worker, Shown.InFull(wanted.Missing));
        var there = Sender;
        data.OfferAsync().PipeTo(Self,
            success: offer => new CoordinatorNotice.DataOffered(there, offer),
            failure: error => new CoordinatorNotice.DataNotFound(there, error.Message));
    }

    private void Deliver(string worker, SendData wanted)
    {
        if (_run.Data?.Offered(wanted.Key) is not { } offer)
        {
            Lose(worker, "it asks for data that is not what it was offered");
            return;
        }
        _run.Recorder.Happened(RunEventKind.Note, $"{worker} is sent the data, {offer.Bytes} bytes", worker);
        var there = Sender;
        DataDesk.SendAsync(_run.Star, worker, offer, _run.Metrics.DataSent).PipeTo(Self, failure: error => new CoordinatorNotice.DataNotSent(there, error.Message));
    }

    private void Enter(string worker, RoundsApplied progress)
    {
        if (_run.Recorder.Applied(worker, progress.Rounds) is { } wrong)
        {
            Fail(wrong);
            return;
        }
        if (progress.Rounds is not [.., var last]) return;
        foreach (var report in progress.Rounds)
        {
            var round = _cluster.Rounds!.At(report.Round);
            _watch.Applied(worker, round, report.Times.Total);
            if (round.Kind == RoundKind.Train) _stragglers.Applied(worker, report.MicroBatches, report.Times.Compute);
        }
        Decide(new ClusterEvent.Reached(worker, last.Round + 1));
        Store();
        if (_run.Recorder.Entered / ReportsSafe.Interval == _safe) return;
        _safe = _run.Recorder.Entered / ReportsSafe.Interval;
        _run.Recorder.FlushToDisk();
        foreach (var other in _workers.Keys) Tell(other, new ReportsSafe(_safe * ReportsSafe.Interval));
    }

    /// <summary>Stores the state that has come, once its round is reported and the one before it is stored.</summary>
    private void Store()
    {
        if (_isStoring) return;
        var (kind, arrived) = _unstored.LastOrDefault(waiting => _run.Recorder.FactsAfter(waiting.Value.Applied) is not null);
        if (arrived is null || _run.Recorder.FactsAfter(arrived.Applied) is not { } facts) return;
        (_isStoring, _storingSince) = (true, Stopwatch.GetTimestamp());
        _unstored.Remove(kind);
        _run.Checkpoints.SaveAsync(facts, arrived.State).PipeTo(Self,
            success: manifest => new CoordinatorNotice.CheckpointStored(manifest),
            failure: error => new CoordinatorNotice.CheckpointFailed(facts.Step, error.Message));
    }

    private void Drain(CoordinatorNotice.Drain drain)
    {
        if (!_workers.ContainsKey(drain.Worker))
        {
            drain.Outcome.TrySetResult(new(DrainResult.Unknown,
                $"there is no worker '{drain.Worker}'; there are {(_workers.Count == 0 ? "none" : string.Join(", ", _workers.Keys.Order(StringComparer.Ordinal)))}"));
            return;
        }
        _drains.Add(drain.Worker, drain.Outcome);
        Decide(new ClusterEvent.Leaving(drain.Worker, Drained));
    }

    private void EndLocal(CoordinatorNotice.LocalWorkerEnded ended)
    {
        if (_cluster.Generation == 0) FailAtStart(ended.Worker, ended.Reason);
        else Lose(ended.Worker, ended.Reason);
    }

    private void Lose(string? worker, string why)
    {
        if (worker is null || Remove(worker) is not { } lost) return;
        _drains.Settle(worker, DrainResult.Failed, $"{worker} is lost: {why}");
        if (IsStart && _run.LogOf?.Invoke(worker) is not null)
        {
            FailAtStart(worker, why);
            return;
        }
        Context.Unwatch(lost);
        _run.Down?.Invoke(lost.Path.Address);
        Forget(worker);
        Decide(new ClusterEvent.Lost(worker, WithLog(worker, why)));
    }

    private void Forget(string worker)
    {
        _run.Star.Expel(worker);
        _run.Recorder.WorkerGone(worker);
        _watch.Forget(worker);
        _stragglers.Forget(worker);
    }

    /// <summary>Nobody has computed yet, or whoever began is gone without a result.</summary>
    private bool IsStart => _cluster.Generation == 0 || (_workers.Count == 0 && Math.Max(_cluster.Completed, _cluster.Reached) == 0);

    /// <summary>Before the first step there is nothing to save: better to say at once what is wrong with this machine.</summary>
    private void FailAtStart(string worker, string why) => Fail($"{worker} failed: {WithLog(worker, why)}");

    private string WithLog(string worker, string why) => _run.LogOf?.Invoke(worker) is { } log ? $"{why} (see {log})" : why;

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
            Save();
            foreach (var effect in effects) Carry(effect);
        }
        _isDeciding = false;
    }

    /// <summary>Before any worker hears of a generation, it is written down, so that no coordinator ever uses its number again.</summary>
    private void Save()
    {
        if (_saved is { } saved && saved.Generation == _cluster.Generation && saved.Plan == _cluster.Plan && saved.Facts == _cluster.Facts) return;
        _saved = _cluster;
        var error = _run.Save?.Invoke(_cluster);
        if (error is not null && error != _saveError) _run.Recorder.Happened(RunEventKind.Fault, $"what a restart of the coordinator needs could not be written: {error}");
        _saveError = error;
    }

    /// <summary>However often something happens, the workers are looked through only as often as somebody could see it.</summary>
    private void Refresh()
    {
        if (_shown != _cluster.Members)
        {
            _shown = _cluster.Members;
            _run.Recorder.Workers(_shown.Values.Where(m => _workers.ContainsKey(m.Id)).Select(m => (m.Id, _workers[m.Id].Device, m.Status)));
        }
        _run.Recorder.Refresh();
        // Of a pause of its own, in which it heard nobody, a coordinator must not conclude anything.
        var now = Stopwatch.GetTimestamp();
        var elapsed = Stopwatch.GetElapsedTime(_lastTick, now);
        _lastTick = now;
        if (elapsed > 2 * RunRecorder.Interval) elapsed = 2 * RunRecorder.Interval;
        if (_watch.Tick(elapsed, _cluster) is { } overdue) Decide(new ClusterEvent.Overdue(overdue));
        if (_cluster.Job.IsExact && _stragglers.Tick(elapsed, _cluster.Phase == ClusterPhase.Training ? _cluster.Plan : null) is var (shares, why))
            Decide(new ClusterEvent.Unbalanced(shares, why));
    }

    private void Carry(ClusterEffect effect)
    {
        switch (effect)
        {
            case ClusterEffect.Refuse refuse:
                _run.Recorder.Happened(RunEventKind.Refused, $"{refuse.Worker} was turned away: {refuse.Reason}", refuse.Worker);
                if (Remove(refuse.Worker) is { } refused) Refuse(Context.Unwatch(refused), refuse.Reason, refuse.MayReturn);
                Forget(refuse.Worker);
                _drains.Settle(refuse.Worker, DrainResult.Failed, $"{refuse.Worker} was turned away: {refuse.Reason}");
                break;
            case ClusterEffect.Open open:
                _run.Star.Open(open.Facts, open.Rounds);
                _run.Recorder.Open(open.Rounds);
                break;
            case ClusterEffect.Fence fence:
                Decide(new ClusterEvent.Fenced(fence.Generation, _run.Star.Fence(fence.Generation), _run.Star.CanRepeat));
                break;
            case ClusterEffect.Halt halt:
                Tell(halt.Worker, new Halt(halt.Generation));
                break;
            case ClusterEffect.RepeatAverage repeat:
                _run.Star.RepeatAverage(repeat.Worker, repeat.Generation);
                break;
            case ClusterEffect.Transfer transfer:
                var (star, receiver, generation) = (_run.Star, transfer.Receiver, transfer.Generation);
                star.ExpectState(transfer.Donor, generation, (applied, state) => star.SendState(receiver, generation, applied, state));
                Tell(transfer.Donor, new SendState(generation));
                break;
            case ClusterEffect.Load load:
                if (_loading.Generation != load.Generation) _loading = (load.Generation, _run.Checkpoints.LoadAsync());
                _loading.Task!.PipeTo(Self,
                    success: stored => new CoordinatorNotice.StateLoaded(load.Receiver, load.Generation, stored.Applied, stored.State),
                    failure: error => new CoordinatorNotice.StateDamaged(load.Generation, error.Message));
                break;
            case ClusterEffect.Begin begin:
                if (begin.Plan.Topology == Topology.Star) _run.Star.Begin(begin.Plan);
                _log.Info("Generation {0} ({1}): from round {2} with {3}", begin.Plan.Generation, _cluster.Generations[^1].Reason,
                    begin.Plan.FirstRound, string.Join(", ", begin.Plan.Workers));
                _run.Recorder.Happened(RunEventKind.Generation, $"generation {begin.Plan.Generation}: {_cluster.Generations[^1].Reason}");
                _run.Recorder.Started(begin.Plan);
                _loading = default;
                // Nobody holds it any more; where the bits depend on the workers, what is done again differs from it.
                foreach (var gone in _unstored.Where(waiting => waiting.Value.Applied > begin.Plan.FirstRound).Select(waiting => waiting.Key).ToList()) _unstored.Remove(gone);
                var (here, saver) = (Self, begin.Plan.Workers[0]);
                _run.Star.ExpectCheckpoints(saver, begin.Plan.Generation, (applied, state) => here.Tell(new CoordinatorNotice.CheckpointArrived(applied, state)));
                var plan = BeginPlan.Of(begin.Plan, begin.Endpoints, _run.Checkpoints.Best);
                foreach (var worker in begin.Plan.Workers) Tell(worker, plan);
                break;
            case ClusterEffect.Dismiss dismiss:
                var left = $"{dismiss.Worker} has left, as it {(_drains.IsAsked(dismiss.Worker) ? "was asked" : "asked")} to";
                _run.Recorder.Happened(RunEventKind.Left, left, dismiss.Worker);
                Tell(dismiss.Worker, new Dismissed(_drains.IsAsked(dismiss.Worker) ? Drained : "it has asked to leave"));
                _drains.Settle(dismiss.Worker, DrainResult.Left, left);
                break;
            case ClusterEffect.HoldBack held:
                var stays = $"{held.Worker} wants to leave, but nobody else holds the parameters: it stays until another worker has them";
                _run.Recorder.Happened(RunEventKind.Note, stays, held.Worker);
                _drains.Settle(held.Worker, DrainResult.HeldBack, stays);
                break;
            case ClusterEffect.Collect collect:
                var self = Self;
                _run.Star.EndReduction();
                _run.Star.ExpectState(collect.Donor, collect.Generation, (_, state) => self.Tell(new CoordinatorNotice.StateCollected(state)));
                _run.Recorder.Phase("saving");
                Tell(collect.Donor, new SendState(collect.Generation));
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
        }
    }

    /// <summary>The links stay open until the workers have heard that nothing is wrong.</summary>
    private void SayGoodbye(string reason)
    {
        Timers.StartSingleTimer("farewell", new CoordinatorNotice.Overdue(), _farewell);
        foreach (var worker in _workers.Keys) Tell(worker, new Dismissed(reason));
        _drains.SettleAll(DrainResult.Left, worker => $"{worker} leaves: {reason}");
        Become(() =>
        {
            Receive<Terminated>(m =>
            {
                if (WorkerOf(m.ActorRef) is { } worker) Remove(worker);
                EndWhenAlone();
            });
            Receive<CoordinatorNotice.Overdue>(_ => _run.Result.TrySetResult(_result!));
            Receive<Register>(_ => Refuse(Sender, reason));
            Receive<CoordinatorNotice.Drain>(drain => drain.Outcome.TrySetResult(new(DrainResult.Left, $"all workers leave: {reason}")));
            ReceiveAny(_ => { });
        });
        EndWhenAlone();
    }

    private void EndWhenAlone()
    {
        if (_workers.Count == 0) _run.Result.TrySetResult(_result!);
    }

    private void Fail(string reason)
    {
        foreach (var worker in _workers.Values) worker.Ref.Tell(new Refused($"the job failed: {reason}", MayReturn: false));
        End(RunEventKind.Failed, reason, reason, $"the job failed: {reason}");
    }

    /// <summary>The workers are told nothing: they learn of it as of a coordinator that was killed.</summary>
    private void StepAside(string reason) => End(RunEventKind.Note, "the coordinator was told to stop; another one takes its place", reason, reason);

    private void End(RunEventKind kind, string happened, string reason, string drained)
    {
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
        Become(() =>
        {
            Receive<CoordinatorNotice.Drain>(drain => drain.Outcome.TrySetResult(new(DrainResult.Failed, drained)));
            ReceiveAny(_ => { });
        });
    }

    private void Refuse(IActorRef worker, string reason, bool mayReturn = false)
    {
        _log.Warning("{0} refused: {1}", worker.Path, reason);
        worker.Tell(new Refused(reason, mayReturn));
    }

    private void Tell(string worker, ICoordinatorMessage message)
    {
        if (_workers.TryGetValue(worker, out var there)) there.Ref.Tell(message);
    }

    private void FromWorker(Action<string> handle)
    {
        if (WorkerOf(Sender) is { } worker) handle(worker);
        else Unhandled($"a message from {Sender.Path}, which is no worker of this job");
    }

    private string? WorkerOf(IActorRef sender) => _ids.GetValueOrDefault(sender);

    private IActorRef? Remove(string worker)
    {
        if (!_workers.Remove(worker, out var removed)) return null;
        _ids.Remove(removed.Ref);
        _run.Targets.Remove(worker);
        return removed.Ref;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex AllowedName();
}
