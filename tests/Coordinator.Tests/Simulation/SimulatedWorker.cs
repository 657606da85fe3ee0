using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A worker of a <see cref="ClusterSimulation"/>: the real protocol of a replica, and what it has sent that has not arrived.</summary>
internal sealed partial class SimulatedWorker(string id, ClusterSimulation cluster)
{
    private bool _isUnlinked;
    private double _best = double.NaN;
    private Action? _checkpoint;

    /// <summary>What it hears from its own links, and nobody can take back.</summary>
    private readonly Queue<Action<SimulatedWorker>> _mail = new();

    /// <summary>After so many offers that are not answered, it tries as another node.</summary>
    private const int MaxOffers = 20;

    /// <summary>What it has applied and not yet reported.</summary>
    private readonly List<RoundReport> _unreported = [];

    private readonly Queue<Action> _toLink = new();
    private KeptReports _kept = new(cluster.KeptBytes);
    private Conversation? _conversation;
    private int _offers;
    private SimulatedCoordinator? _linked;

    public string Id => id;
    public ReplicaProtocol Protocol { get; private set; } = new(id, cluster.Rounds);
    public long Applied => Protocol.Applied;
    public long State { get; private set; }

    public StateDigest Digest => new(0, (ulong)State);
    public bool IsLeaving { get; private set; }

    /// <summary>Its process has ended.</summary>
    public bool IsGone { get; set; }

    public bool IsPrepared => cluster.Current.Cluster.Members.TryGetValue(id, out var m) && m.Status != MemberStatus.Preparing;

    /// <summary>It does nothing, whatever comes.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>It looks for a coordinator, which it once had, or its link to which has just closed.</summary>
    public bool IsCut => _conversation is null || _linked is null;

    /// <summary>Counts how often it has looked for a coordinator as another node.</summary>
    public int Life { get; private set; }

    public Holding Holding => new(Protocol.Generation, Applied);

    /// <summary>Whether it waits for nothing that only time brings.</summary>
    public bool IsQuiet => _conversation?.IsQuiet == true;

    private bool IsOffering => _conversation is null;

    /// <summary>Whether it is taken in by this coordinator, and its link stands.</summary>
    public bool IsWith(SimulatedCoordinator coordinator) => _linked == coordinator;

    /// <summary>Its link to this coordinator closes.</summary>
    public void CloseLink(SimulatedCoordinator coordinator)
    {
        if (_linked != coordinator) return;
        _linked = null;
        LinkInbox.Clear();
        _toLink.Clear();
        _checkpoint = null;
        _isUnlinked = true;
    }

    /// <summary>Its link to whatever coordinator closes, who will notice.</summary>
    public SimulatedCoordinator? Cut()
    {
        if (_linked is not { } former) return null;
        CloseLink(former);
        return former;
    }

    /// <summary>Something goes to it over its link.</summary>
    public void Link(SimulatedCoordinator coordinator, Action<SimulatedWorker> deliver)
    {
        if (_linked == coordinator) LinkInbox.Enqueue(deliver);
    }

    public Queue<Action<SimulatedWorker>> LinkInbox { get; } = new();

    /// <summary>Its links to other workers of a mesh; broken ones until it notices.</summary>
    public SortedDictionary<string, SimulatedLink> Links { get; } = new(StringComparer.Ordinal);

    /// <summary>It wants to leave.</summary>
    public void Leave()
    {
        IsLeaving = true;
        Say(new Leave("it was asked to"));
    }

    /// <summary>Time passes.</summary>
    public void Pass(TimeSpan elapsed)
    {
        if (_conversation is null)
        {
            if (++_offers % MaxOffers == 0) Life++;
            cluster.Offer(this, new(MessageCodec.Version, id, "cpu", Holding.Generation > 0 ? [1] : [], Holding.Generation, Applied, ReportsFrom: _kept.From));
            return;
        }
        _conversation.Pass(elapsed);
        Send();
        if (_conversation.IsGivenUp) Return();
    }

    /// <summary>A control message has come.</summary>
    public void Receive(SimulatedCoordinator coordinator, int life, IControlMessage message)
    {
        if (IsGone || life != Life) return;
        switch (message)
        {
            case Welcome welcome when IsOffering:
                Enter(coordinator, welcome);
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
            case Dismissed when IsOffering:
                cluster.End(this);
                break;
        }
    }

    private void Hear(IControlMessage said)
    {
        switch (said)
        {
            case Halt m:
                Handle(new ReplicaEvent.HaltAsked(m.Generation));
                break;
            case BeginPlan m:
                if (m.Generation >= Protocol.Generation) _best = m.Best;
                Handle(new ReplicaEvent.PlanBegan(m.ToPlan()));
                break;
            case SendState m:
                var (applied, state, there) = (Applied, State, _linked);
                if (there is not null) _toLink.Enqueue(() => there.ReceiveState(id, m.Generation, applied, state));
                break;
            case ReportsSafe m:
                _kept.Forget(m.Before);
                break;
            case Refused { MayReturn: true }:
                Return();
                break;
            case Refused or Dismissed:
                cluster.End(this);
                break;
            default:
                Assert.Fail($"{id} is told {said}");
                break;
        }
    }

    /// <summary>It is taken in, with what it holds or as a newcomer.</summary>
    private void Enter(SimulatedCoordinator coordinator, Welcome welcome)
    {
        if (welcome.IsAdopted) Report();
        else BeginAnew();
        (_linked, _conversation) = (coordinator, new(welcome.Conversation, cluster.Limits));
        Say(Prepared.Of(new("data", cluster.Rounds.TrainSamples, cluster.Rounds.TestSamples, SimulatedVectors.Layout, 8, "initial", id, 1), Holding));
        foreach (var reports in MessageBounds.Split(_kept.Since(welcome.ReportFrom), cluster.ReportsBytes)) Say(reports);
    }

    private void BeginAnew()
    {
        foreach (var link in Links.Values) link.Break(cluster.Random);
        Links.Clear();
        _mail.Clear();
        _unreported.Clear();
        _kept = new(cluster.KeptBytes);
        (Protocol, State, _work, _isMapping) = (new(id, cluster.Rounds), 0, null, false);
        _exchange = new(cluster);
    }

    /// <summary>It looks for the coordinator as another node.</summary>
    private void Return()
    {
        Cut();
        _conversation = null;
        Life++;
        if (IsLeaving) cluster.End(this);
    }

    private void Say(IWorkerMessage message)
    {
        if (_conversation is null) return;
        _conversation.Say(message);
        Send();
    }

    private void Send()
    {
        if (_conversation is null || _linked is not { } coordinator) return;
        foreach (var message in cluster.Due(_conversation)) cluster.ToCoordinator(this, coordinator, message);
    }

    private void Report()
    {
        if (_unreported.Count == 0) return;
        _kept.Keep(_unreported);
        RoundsApplied[] split = [.. MessageBounds.Split(_unreported, cluster.ReportsBytes)];
        if (split.Length > 1) cluster.Census.Count("report split by bytes");
        foreach (var reports in split) Say(reports);
        _unreported.Clear();
    }

    public IEnumerable<Action> Actions()
    {
        if (IsFrozen)
        {
            yield return () => IsFrozen = cluster.Random.Next(40) > 0;
            yield break;
        }
        if (!IsOffering && _linked is null) yield return Return;
        if (_mail.Count > 0) yield return () => _mail.Dequeue()(this);
        if (LinkInbox.Count > 0) yield return () => LinkInbox.Dequeue()(this);
        if (_toLink.Count > 0) yield return () => _toLink.Dequeue()();
        if (_checkpoint is { } checkpoint)
        {
            yield return () =>
            {
                _checkpoint = null;
                checkpoint();
            };
        }
        if (_unreported.Count > 0) yield return Report;
        if (_isMapping && _kept.MayApply) yield return Compute;
        foreach (var (peer, link) in Links)
        {
            if (link.To(id).TryPeek(out var next) && _exchange.Judge(_exchange.IndexOf(peer), next.Frame) != FrameVerdict.Early) yield return () => Receive(peer, link.To(id).Dequeue());
            if (link.IsBroken) yield return () => LoseLink(peer, "it broke");
        }
    }
}
