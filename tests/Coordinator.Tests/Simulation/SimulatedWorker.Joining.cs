using Distributed.Coordinator.Cluster;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>How a worker joins and leaves: the product's protocol; the simulation decides when work that takes time ends.</summary>
internal sealed partial class SimulatedWorker
{
    /// <summary>After so many ticks without an answer, its node counts as lost.</summary>
    private const int MaxTicks = 20;

    private readonly HashSet<JoinTimer> _timers = [];
    private readonly List<Action> _work = [];
    private JoinProtocol _join = null!;
    private SimulatedCoordinator? _coordinator;
    private SimulatedCoordinator? _linked;
    private Conversation? _conversation;
    private Welcome? _welcome;
    private bool _isDisconnected;
    private bool _hasLinks;
    private int _ticks;

    /// <summary>A new node of this worker begins to look for the coordinator.</summary>
    public void Start()
    {
        _work.Clear();
        _timers.Clear();
        (_coordinator, _conversation, _isDisconnected, _ticks) = (null, null, false, 0);
        _join = new("the coordinator", TimeSpan.FromMinutes(5), _hasLinks ? id : null, MayFetch: cluster.Random.Next(4) > 0);
        foreach (var effect in JoinProtocol.Start) Execute(effect);
        _work.Add(() => Decide(new JoinEvent.NodeAccepted()));
    }

    /// <summary>Tells this worker to leave.</summary>
    public void Leave()
    {
        IsLeaving = true;
        Decide(new JoinEvent.LeaveAsked("it was asked to"));
    }

    /// <summary>The link to this coordinator closes, or its process is gone.</summary>
    public void CloseLink(SimulatedCoordinator coordinator)
    {
        if (_coordinator != coordinator) return;
        _linked = null;
        LinkInbox.Clear();
        _toLink.Clear();
        _checkpoint = null;
        _isDisconnected = _isUnlinked = true;
    }

    /// <summary>Its link to the coordinator breaks, which the coordinator will notice.</summary>
    public SimulatedCoordinator? Cut()
    {
        var former = _linked;
        if (former is not null) CloseLink(former);
        return former;
    }

    /// <summary>Time passes.</summary>
    public void Pass(TimeSpan elapsed)
    {
        if (_join.Phase == JoinPhase.Joining) PassJoining();
        if (_conversation is not { } conversation) return;
        conversation.Pass(elapsed);
        Send();
        if (conversation.IsGivenUp) Decide(new JoinEvent.CoordinatorLost("it does not answer"));
    }

    private void PassJoining()
    {
        if (_timers.Contains(JoinTimer.Register)) Expire(JoinTimer.Register);
        if (++_ticks % MaxTicks == 0) Expire(_timers.Contains(JoinTimer.Answer) ? JoinTimer.Answer : JoinTimer.Node);
        else if (cluster.MayGiveUp() && _timers.Contains(JoinTimer.Coordinator)) Expire(JoinTimer.Coordinator);
    }

    private void Expire(JoinTimer timer)
    {
        _timers.Remove(timer);
        Decide(new JoinEvent.TimedOut(timer));
    }

    /// <summary>A control message has arrived.</summary>
    public void Receive(SimulatedCoordinator coordinator, int life, IControlMessage message)
    {
        if (IsGone || life != Life) return;
        switch (message)
        {
            case Welcome welcome when _join.Phase == JoinPhase.Joining:
                (_coordinator, _welcome, _conversation) = (coordinator, welcome, new(welcome.Conversation, cluster.Limits));
                Decide(new JoinEvent.Welcomed(welcome.Worker, welcome.IsAdopted, welcome.InitialBytes > 0));
                break;
            case Probe probe when _join.Phase == JoinPhase.Joining:
                _coordinator = coordinator;
                Decide(new JoinEvent.ProbeAsked(probe.Job));
                break;
            case Numbered numbered when _conversation is { } conversation:
                var said = cluster.Hear(conversation, numbered);
                Send();
                if (said is not null) Hear(said);
                break;
            case Heard heard:
                _conversation?.Hear(heard);
                Send();
                break;
            case Dismissed or Refused when _conversation is null:
                Hear(message);
                break;
        }
    }

    private void Hear(IControlMessage said)
    {
        var isTraining = _join.Phase == JoinPhase.Training;
        switch (said)
        {
            case Halt m when isTraining:
                Handle(new ReplicaEvent.HaltAsked(m.Generation));
                break;
            case BeginPlan m when isTraining:
                Handle(new ReplicaEvent.PlanBegan(m.ToPlan(), m.ToEndpoints(), m.Best));
                break;
            case SendState m when isTraining:
                var (applied, state, there) = (Applied, State, _linked);
                if (there is not null) _toLink.Enqueue(() => there.ReceiveState(id, m.Generation, applied, state));
                break;
            case ReportsSafe m:
                _kept.Forget(m.Before);
                break;
            case DataFound m:
                Decide(new JoinEvent.DataOffered(m.Bytes));
                break;
            case NoData m:
                Decide(new JoinEvent.DataUnavailable(m.Reason));
                break;
            case Refused m:
                Decide(new JoinEvent.Refused(m.Reason, m.MayReturn));
                break;
            case Dismissed m:
                Decide(new JoinEvent.Dismissed(m.Reason));
                break;
            default:
                Assert.False(isTraining, $"{id} is told {said}");
                break;
        }
    }

    private void Decide(JoinEvent happened)
    {
        if (IsGone) return;
        (_join, var effects) = _join.Handle(happened);
        foreach (var effect in effects) Execute(effect);
    }

    private void Execute(JoinEffect effect)
    {
        cluster.Census.Count(effect);
        switch (effect)
        {
            case JoinEffect.StartTimer start:
                _timers.Add(start.Timer);
                break;
            case JoinEffect.StopTimers:
                _timers.Clear();
                break;
            case JoinEffect.Register:
                cluster.Offer(this, new(
                    MessageCodec.Version, id, "cpu", _hasLinks ? [1] : [], Holding.Generation, Holding.Applied, ReportsFrom: _kept.From));
                break;
            case JoinEffect.Probe:
                _work.Add(() => Decide(cluster.MayFail(this) ? new JoinEvent.Failed("the model does not fit") : new JoinEvent.Probed()));
                break;
            case JoinEffect.TellProbed:
                cluster.ToCoordinator(this, _coordinator!, new Probed(1, cluster.Rounds.TrainSamples, ""));
                _coordinator = null;
                break;
            case JoinEffect.ReadJob:
                BeginAnew();
                Decide(new JoinEvent.JobRead(cluster.HasFiles));
                break;
            case JoinEffect.FindData:
                _work.Add(() => Decide(cluster.Random.Next(2) == 0 ? new JoinEvent.DataReady() : new JoinEvent.DataMissing("a file")));
                break;
            case JoinEffect.RequestData request:
                Say(new FindData(request.Missing));
                break;
            case JoinEffect.FetchData:
                _work.Add(() => Connect(() => Say(new SendData("key"))));
                break;
            case JoinEffect.Prepare:
                _work.Add(() => Decide(
                    cluster.MayFail(this) ? new JoinEvent.Failed("the data cannot be read") : new JoinEvent.ReplicaReady()));
                break;
            case JoinEffect.Link:
                _work.Add(() => Connect(() =>
                {
                    _hasLinks = true;
                    if (_welcome!.InitialBytes > 0) _work.Add(() => Decide(new JoinEvent.Initialized()));
                    Decide(new JoinEvent.Linked());
                }));
                break;
            case JoinEffect.Relink:
                _work.Add(() => Connect(() => Decide(new JoinEvent.Linked())));
                break;
            case JoinEffect.TellPrepared:
                Say(Prepared.Of(
                    Facts,
                    misfit == Misfit.TooManyRounds
                        ? new(Math.Max(1, _coordinator!.Cluster.PlanGeneration), cluster.Rounds.Count + 1)
                        : default));
                break;
            case JoinEffect.Resume:
                Say(Prepared.Of(Facts, Holding));
                foreach (var reports in MessageBounds.Split(_kept.Since(_welcome!.ReportFrom), cluster.ReportsBytes)) Say(reports);
                break;
            case JoinEffect.AskToLeave leave:
                Say(new Leave(leave.Reason));
                break;
            case JoinEffect.TellFailed failed:
                Say(new Failed(failed.Reason));
                break;
            case JoinEffect.Return:
                Cut();
                Life++;
                if (IsLeaving) cluster.End(this);
                else Start();
                break;
            case JoinEffect.End end:
                cluster.End(this, end.Cause switch
                {
                    EndCause.Left or EndCause.Dismissed => WorkerEnding.Left,
                    EndCause.TimedOut => WorkerEnding.Failed,
                    _ => WorkerEnding.Hopeless,
                });
                break;
        }
    }

    /// <summary>Connects the link to the coordinator that has welcomed it, unless that fails.</summary>
    private void Connect(Action connected)
    {
        if (_isDisconnected || cluster.MayFailToConnect())
        {
            Decide(new JoinEvent.LinkFailed("it was reset"));
            return;
        }
        _linked = _coordinator;
        connected();
    }

    /// <summary>The requested data has arrived over the link.</summary>
    public void ReceiveData() => Decide(new JoinEvent.DataReady());

    private WorkerFacts Facts
    {
        get
        {
            var layout = SimulatedVectors.Layout;
            var facts = new WorkerFacts("data", cluster.Rounds.TrainSamples, cluster.Rounds.TestSamples, layout, 8, "initial", id, 1);
            return misfit switch
            {
                Misfit.Sizes => facts with { StateBytes = 0 },
                Misfit.Endpoint => facts with { LinkPort = 0 },
                Misfit.Data => facts with { DataFingerprint = "other data" },
                Misfit.Model => facts with { Layout = new VectorLayout(layout.Floats + 1, layout.Tallies) },
                Misfit.Initial => facts with { InitialDigest = "other bits" },
                Misfit.SmallData => facts with { TrainSamples = cluster.Rounds.Batch - 1 },
                _ => facts,
            };
        }
    }

    private void BeginAnew()
    {
        foreach (var link in Links.Values) link.Break(cluster.Random);
        Links.Clear();
        _mail.Clear();
        _unreported.Clear();
        _kept = new(cluster.KeptBytes);
        (Protocol, State, _roundWork, _step, _hasLinks) = (new(id, cluster.Rounds), 0, null, null, false);
        _exchange = new(cluster);
    }

    private void Say(IWorkerMessage message)
    {
        if (_conversation is null) return;
        _conversation.Say(message);
        Send();
    }

    private void Send()
    {
        if (_conversation is null || _coordinator is not { } coordinator) return;
        foreach (var message in cluster.Due(_conversation)) cluster.ToCoordinator(this, coordinator, message);
    }
}

/// <summary>How a worker differs from the others.</summary>
internal enum Misfit
{
    None,
    /// <summary>It reports a size that no state has.</summary>
    Sizes,
    /// <summary>Its links have no port.</summary>
    Endpoint,
    Data,
    Model,
    Initial,
    /// <summary>It reports more rounds than the job has, when it is prepared.</summary>
    TooManyRounds,
    /// <summary>It reports more rounds than the job has, when it has stopped.</summary>
    ImpossibleReport,
    /// <summary>It loses the report of a round now and then.</summary>
    LosesReports,
    /// <summary>Its training set is smaller than the batch.</summary>
    SmallData,
    /// <summary>It reports another digest when it has stopped.</summary>
    OtherBits,
    /// <summary>It reports another digest of the rounds that it has applied.</summary>
    OtherReports,
}
