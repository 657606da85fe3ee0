using System.Net;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Distributed.Shared.Cluster;
using Distributed.Shared.Jobs;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Metrics;
using Distributed.Shared.Protocol;
using Distributed.Worker.Data;
using Distributed.Worker.Links;
using Distributed.Worker.Replicas;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Distributed.Worker.Actors;

/// <summary>What a worker process is started with.</summary>
/// <param name="Name">Name it would like to have.</param>
/// <param name="Coordinator">HOST:PORT of the coordinator.</param>
/// <param name="Host">Address that others reach it at.</param>
/// <param name="LinkPort">Port of its links, 0 for a free one.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Data">Where it looks for data.</param>
public sealed record WorkerOptions(string Name, string Coordinator, string Host, int LinkPort, Device Device, DataOptions Data);

/// <summary>How a worker ended.</summary>
/// <param name="ExitCode">0 done, 1 failed.</param>
/// <param name="Reason">In a user's words.</param>
public sealed record WorkerEnd(int ExitCode, string Reason);

/// <summary>
/// Between the coordinator's messages and the replica's thread. Joining: offers itself until it is taken in. Preparing: the
/// replica loads data and model, then the link is connected. Training: passes on what either side says.
/// </summary>
public sealed class WorkerActor : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan _retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _joinTimeout = TimeSpan.FromMinutes(5);

    private readonly WorkerOptions _options;
    private readonly TaskCompletionSource<WorkerEnd> _end;
    private readonly WorkerMetrics _metrics;
    private readonly Readiness _readiness;
    private readonly ILogger _logger;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _stopping = new();
    private IActorRef _coordinator = ActorRefs.Nobody;
    private Welcome _welcome = null!;
    private Job _job = null!;
    private ReplicaThread? _replica;
    private LinkListener? _listener;
    private WorkerEnd? _outcome;
    private Rounds? _rounds;
    private Plan? _plan;

    /// <summary>Within this process alone.</summary>
    private abstract record Local : INoSerializationVerificationNeeded
    {
        public sealed record Offer : Local;
        public sealed record JoinOverdue : Local;
        public sealed record MemberOfCluster : Local;
        public sealed record ReplicaPrepared(WorkerFacts Facts, VectorPool Pool) : Local;
        public sealed record ReplicaFailed(string Reason) : Local;
        public sealed record Linked(Exchange Exchange, LinkListener? Listener, WorkerFacts Facts) : Local;
        public sealed record LinkLost(string Reason) : Local;
    }

    /// <summary>One worker of this process.</summary>
    /// <param name="options">What it was started with.</param>
    /// <param name="end">Receives how it ended.</param>
    /// <param name="metrics">Is told what happens.</param>
    /// <param name="readiness">Is told how far it is.</param>
    /// <param name="links">For people: what becomes of connections.</param>
    public WorkerActor(WorkerOptions options, TaskCompletionSource<WorkerEnd> end, WorkerMetrics metrics, Readiness readiness, ILogger links)
    {
        (_options, _end, _metrics, _readiness, _logger) = (options, end, metrics, readiness, links);
        Joining();
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override void PreStart()
    {
        var self = Self;
        Timers.StartSingleTimer("join", new Local.JoinOverdue(), _joinTimeout);
        Cluster.Get(Context.System).RegisterOnMemberUp(() => self.Tell(new Local.MemberOfCluster()));
    }

    /// <summary>What went wrong took the state with it: better an end than a start from nothing.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        _outcome = new(1, $"the worker could not handle {message.GetType().Name}: {reason.Message}");
        PostStop();
        Context.Stop(Self);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _stopping.Cancel();
        _listener?.Dispose();
        _replica?.Stop();
        EndWhenReplicaHas(_outcome ?? new(1, "the worker was stopped"));
    }

    private void Joining()
    {
        Receive<Local.MemberOfCluster>(_ => Timers.StartPeriodicTimer("offer", new Local.Offer(), TimeSpan.Zero, _retry));
        Receive<Local.Offer>(_ => Context
            .ActorSelection($"akka.tcp://{ClusterNode.SystemName}@{_options.Coordinator}/user/{ClusterNode.CoordinatorActor}")
            .Tell(new Register(ProtocolSerializer.Version, _options.Name, $"{_options.Device}")));
        Receive<Leave>(leave => End(0, leave.Reason));
        Receive<Local.JoinOverdue>(_ => End(1, $"no coordinator took this worker in at {_options.Coordinator} within {_joinTimeout.TotalMinutes} minutes"));
        Receive<Welcome>(Enter);
        ReceiveEnds();
    }

    private void Enter(Welcome welcome)
    {
        Timers.CancelAll();
        _coordinator = Context.Watch(Sender);
        _welcome = welcome;
        try
        {
            _job = JobFile.Parse(welcome.Job, "the coordinator's job");
        }
        catch (JobException error)
        {
            Fail($"the coordinator sent a job that this version does not understand: {error.Message}");
            return;
        }
        _log.Info("Taken in as {0}: {1} on {2}, model {3}", welcome.Worker, _job.Task, _job.Data, _job.Model);
        var self = Self;
        _replica = new(welcome.Worker, _job, _options.Data, _options.Device, new Observer(self));
        _readiness.NotReady = "loading data and model";
        Become(Preparing);
    }

    private void Preparing()
    {
        Receive<Local.ReplicaPrepared>(prepared =>
        {
            _log.Info("Prepared: {0} training and {1} test samples, {2} numbers a contribution",
                prepared.Facts.TrainSamples, prepared.Facts.TestSamples, prepared.Facts.Layout.Floats);
            ConnectAsync(prepared).PipeTo(Self, failure: error => new Local.ReplicaFailed(error.Message));
        });
        Receive<Local.Linked>(linked =>
        {
            _replica!.Attach(linked.Exchange);
            _listener = linked.Listener;
            var facts = linked.Facts;
            _rounds = RoundsOf(facts);
            _coordinator.Tell(Prepared.Of(facts));
            _readiness.NotReady = null;
            Become(Training);
        });
        Receive<Welcome>(_ => { });
        Receive<Leave>(leave => End(0, leave.Reason));
        ReceiveEnds();
    }

    private async Task<Local> ConnectAsync(Local.ReplicaPrepared prepared)
    {
        var facts = prepared.Facts;
        var identity = new LinkIdentity(JobFile.Fingerprint(_job), _welcome.Token, _welcome.Worker);
        var links = new LinkOptions();
        var exchange = new Exchange(
            new(identity, RoundsOf(facts), prepared.Pool, facts.StateBytes, new(_job.IsWireHalf), links, _metrics.Links), new LinkObserver(Self, _replica!));
        LinkListener? listener = null;
        try
        {
            if (_job.IsMesh)
            {
                var address = (await Dns.GetHostAddressesAsync(_options.Host, _stopping.Token))[0];
                listener = new(new(address, _options.LinkPort), identity.Job, identity.Token, _ => true, exchange.Accept, _metrics.Links, _logger, links);
                facts = facts with { LinkHost = _options.Host, LinkPort = listener.Port };
            }
            exchange.Connect(await LinkHandshake.ConnectAsync(_welcome.LinkHost, _welcome.LinkPort, identity, links, _stopping.Token));
            return new Local.Linked(exchange, listener, facts);
        }
        catch (LinkException error)
        {
            listener?.Dispose();
            exchange.Dispose();
            throw new LinkException($"the link to the coordinator could not be made: {error.Message}", error);
        }
        catch
        {
            listener?.Dispose();
            exchange.Dispose();
            throw;
        }
    }

    private Rounds RoundsOf(WorkerFacts facts) => new(facts.TrainSamples, facts.TestSamples, _job.Epochs, _job.Batch, _job.MicroBatches, _job.IsRelaxed);

    private void Training()
    {
        Receive<Halt>(halt => _replica!.Halt(halt.Generation));
        Receive<BeginPlan>(begin =>
        {
            _log.Info("Generation {0}: from round {1}, {2} worker(s)", begin.Generation, begin.FirstRound, begin.Workers.Length);
            _metrics.GenerationBegan(begin.Generation);
            _plan = begin.ToPlan();
            _replica!.Begin(_plan, begin.ToEndpoints());
        });
        Receive<SendState>(send => _replica!.SendState(send.Generation));
        Receive<RoundsApplied>(progress =>
        {
            Measure(progress);
            _coordinator.Tell(progress);
        });
        Receive<IWorkerMessage>(_coordinator.Tell);
        ReceiveEnds();
    }

    private void Measure(RoundsApplied progress)
    {
        foreach (var round in progress.Rounds)
        {
            var samples = round.Tallies[Tally.Samples];
            _metrics.RoundApplied(_rounds!.At(round.Round).Kind, round.MicroBatches, OwnSamples(round), round.Tallies[Tally.Loss] / samples, round.Times);
        }
        _metrics.LiveTensors(Tensor.TotalCount);
        _metrics.ContributionsSent(_replica!.SentComputing, _replica.SentWaiting);
    }

    /// <summary>A plan ends with a halt, before which the replica reports every round under it.</summary>
    private long OwnSamples(RoundReport report)
    {
        if (report.MicroBatches == 0) return 0;
        var round = _plan!.RoundAt(_rounds!, report.Round);
        var range = _plan.RangeOf(_welcome.Worker, round.MicroBatches);
        return Enumerable.Range(range.First, range.Count).Sum(id => (long)round.MicroBatch(id).Count);
    }

    private void ReceiveEnds()
    {
        Receive<Refused>(refused => End(1, $"the coordinator turned this worker away: {refused.Reason}"));
        Receive<Dismissed>(dismissed => End(0, dismissed.Reason));
        Receive<Local.ReplicaFailed>(failed => Fail(failed.Reason));
        Receive<Local.LinkLost>(lost => Fail($"the link to the coordinator was lost: {lost.Reason}"));
        Receive<Terminated>(_ => End(1, "the coordinator is gone"));
    }

    private void Fail(string reason)
    {
        _coordinator.Tell(new Failed(reason));
        End(1, reason);
    }

    private void End(int exitCode, string reason)
    {
        _outcome = new(exitCode, reason);
        Context.Stop(Self);
    }

    /// <summary>The process must not end while its replica is in the middle of native code.</summary>
    private void EndWhenReplicaHas(WorkerEnd outcome) => (_replica?.Completion ?? Task.CompletedTask).ContinueWith(
        _ => _end.TrySetResult(outcome), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    /// <summary>What the replica's thread says, as messages to this actor.</summary>
    private sealed class Observer(IActorRef actor) : IReplicaObserver
    {
        public void Prepared(WorkerFacts facts, VectorPool pool) => actor.Tell(new Local.ReplicaPrepared(facts, pool));
        public void Halted(int generation, long applied) => actor.Tell(new Halted(generation, applied));
        public void Synced(int generation, long applied) => actor.Tell(new Synced(generation, applied));
        public void Applied(IReadOnlyList<RoundReport> rounds) => actor.Tell(new RoundsApplied([.. rounds]));
        public void PeerLost(int generation, string peer, string reason) => actor.Tell(new PeerLost(generation, peer, reason));
        public void Failed(string reason) => actor.Tell(new Local.ReplicaFailed(reason));
    }

    /// <summary>What the links say; called under their gate, so nothing but messages.</summary>
    private sealed class LinkObserver(IActorRef actor, ReplicaThread replica) : IExchangeObserver
    {
        public void AverageComplete() => replica.AverageComplete();
        public void StateArrived(int generation, long applied, byte[] state) => replica.Restore(generation, applied, state);
        public void CoordinatorLinkClosed(string reason) => actor.Tell(new Local.LinkLost(reason));
        public void PeerLinkClosed(int generation, string peer, string reason) => replica.LosePeer(generation, peer, reason);
    }
}
