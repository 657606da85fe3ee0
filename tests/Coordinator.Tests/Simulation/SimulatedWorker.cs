using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;
using Distributed.Shared.Tests;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A worker of a <see cref="ClusterSimulation"/>: the real protocol of a replica, and what it has sent that has not arrived.</summary>
internal sealed class SimulatedWorker(string id, ClusterSimulation cluster)
{
    private SimulatedReducer _reducer = new(new(cluster.Rounds, SimulatedVectors.Layout, isCoordinator: false, cluster.IsHalf), cluster);
    private readonly SimulatedSums _sums = new();
    private RoundWork? _work;
    private int _generation;
    private (int Generation, long Round) _expected;
    private readonly Dictionary<int, long> _slices = [];
    private bool _isMapping;
    private bool _isUnlinked;

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
            cluster.Offer(this, new(ProtocolSerializer.Version, id, "cpu", Holding.Generation > 0 ? [1] : [], Holding.Generation, Applied, ReportsFrom: _kept.From));
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
                var said = conversation.Hear(numbered);
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
        (Protocol, State, _work, _isMapping, _expected) = (new(id, cluster.Rounds), 0, null, false, default);
        _reducer = new(new(cluster.Rounds, SimulatedVectors.Layout, isCoordinator: false, cluster.IsHalf), cluster);
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
        foreach (var message in _conversation.Due()) cluster.ToCoordinator(this, coordinator, message);
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
        if (_unreported.Count > 0) yield return Report;
        if (_isMapping && _kept.MayApply) yield return Compute;
        foreach (var (peer, link) in Links)
        {
            if (link.To(id).TryPeek(out var next) && Judge(peer, next.Frame) != FrameVerdict.Early) yield return () => Receive(peer, link.To(id).Dequeue());
            if (link.IsBroken) yield return () => LoseLink(peer, "it broke");
        }
    }

    private FrameVerdict Judge(string peer, FrameHeader frame) =>
        frame.Kind == FrameKind.Average ? FrameVerdict.Accept : _reducer.Judge(_reducer.IndexOf(peer), frame);

    private void Receive(string peer, (FrameHeader Header, long Value) frame)
    {
        if (frame.Header.Kind == FrameKind.Average) ReceiveAverage(frame.Header, frame.Value);
        else if (Judge(peer, frame.Header) is var verdict and (FrameVerdict.Accept or FrameVerdict.Violation))
        {
            if (verdict == FrameVerdict.Violation)
            {
                Links[peer].Break(cluster.Random);
                return;
            }
            Assert.Equal((Protocol.Generation, Applied), (frame.Header.Generation, frame.Header.Round));
            Reduce(_reducer.IndexOf(peer), frame.Header, frame.Value);
        }
    }

    private void LoseLink(string peer, string why)
    {
        Links.Remove(peer);
        if (Protocol.Plan is not { } plan || !plan.Includes(peer)) return;
        Report();
        Say(new PeerLost(plan.Generation, peer, why));
    }

    private void Connect(string peer)
    {
        if (peer == id || Links.ContainsKey(peer)) return;
        if (cluster.Find(peer) is not { } other || other.IsFrozen || cluster.IsBlocked(id, peer))
        {
            LoseLink(peer, "it does not answer");
            return;
        }
        var link = new SimulatedLink(id, peer);
        Links[peer] = link;
        if (other.Links.ContainsKey(id)) other.LoseLink(id, "it was replaced");
        other.Links[id] = link;
    }

    /// <summary>Takes in a contribution, and sends every average that is due.</summary>
    private void Reduce(int worker, FrameHeader frame, long value)
    {
        var plan = _reducer.Slices.Plan!;
        foreach (var (slice, sum) in _reducer.Take(worker, frame, value))
        {
            var average = frame with { Kind = FrameKind.Average, Slice = slice, Node = default };
            ReceiveAverage(average, sum);
            foreach (var peer in plan.Workers) SendTo(peer, average, sum);
        }
    }

    private void ReceiveAverage(FrameHeader frame, long value)
    {
        var first = SimulatedVectors.Layout.FirstSlice(cluster.Rounds.At(frame.Round).Kind);
        ReceiveSlice(frame.Generation, frame.Round, frame.Slice - first, SimulatedVectors.Layout.Slices - first, value);
    }

    private void SendTo(string peer, FrameHeader frame, long value)
    {
        if (Links.TryGetValue(peer, out var link)) link.Send(peer, frame, value);
    }

    public void Handle(ReplicaEvent happened)
    {
        if (happened is ReplicaEvent.PlanBegan) _isUnlinked = false;
        (Protocol, var effects) = Protocol.Handle(happened);
        foreach (var effect in effects) Carry(effect);
    }

    /// <summary>The link tells the replica, which may have been told other things before.</summary>
    public void Receive(int generation, long applied, long state) => _mail.Enqueue(w => w.Restore(generation, applied, state));

    public void ReceiveSlice(int generation, long round, int slice, int slices, long value)
    {
        if ((generation, round) != _expected)
        {
            Assert.True(generation < _expected.Generation, $"{id} expects {_expected}, receives {(generation, round)}");
            return;
        }
        Assert.True(_slices.TryAdd(slice, value));
        if (_slices.Count == slices) _mail.Enqueue(w => w.Handle(new ReplicaEvent.AverageArrived(generation, round)));
    }

    private void Restore(int generation, long applied, long state)
    {
        if (generation != Protocol.Generation || Protocol.Plan is not null) return;
        State = state;
        if (!cluster.Rounds.Relaxed) Assert.Equal(cluster.Reference[applied], State);
        Handle(new ReplicaEvent.StateArrived(generation, applied));
    }

    private void Carry(ReplicaEffect effect)
    {
        switch (effect)
        {
            case ReplicaEffect.Expect expect:
                _expected = (expect.Generation, expect.Round);
                _slices.Clear();
                break;
            case ReplicaEffect.Abandon:
                _isMapping = false;
                if (cluster.IsMesh) _reducer.Slices.Fence(Protocol.Generation);
                break;
            case ReplicaEffect.Map map:
                if (cluster.IsMesh) EnterMesh(map.Round.Number);
                if (_work?.Round != map.Round)
                {
                    _work = new(map.Round);
                    _sums.Values.Clear();
                }
                _generation = map.Generation;
                foreach (var node in _work.Assign(map.Range, [])) Send(node);
                if (map.Range.Count == 0) SendPresent(map.Round);
                _isMapping = !_work.IsDone;
                break;
            case ReplicaEffect.Apply apply:
                State = SimulatedVectors.Applied(State, apply.Round, Enumerable.Range(0, _slices.Count).Select(s => _slices[s]));
                cluster.Check(this, apply.Round.Number);
                _unreported.Add(new(apply.Round.Number, Digest, [apply.Round.Samples, 0, 0], 0, 0, 1, default));
                if (apply.Round.Number + 1 == Protocol.Plan?.EndRound) Report();
                break;
            case ReplicaEffect.ReportHalted halted:
                Report();
                Say(new Halted(halted.Generation, halted.Applied, Digest));
                break;
            case ReplicaEffect.ReportSynced synced:
                Report();
                _kept.Follow(synced.Applied);
                Say(new Synced(synced.Generation, synced.Applied, Digest));
                break;
        }
    }

    private void EnterMesh(long round)
    {
        var plan = Protocol.Plan!;
        if (_reducer.Slices.Plan != plan)
        {
            _reducer.Slices.Begin(plan, plan.IndexOf(id));
            foreach (var peer in plan.Workers) Connect(peer);
        }
        _reducer.Enter(round);
    }

    private void Compute()
    {
        Assert.NotNull(Protocol.Plan);
        var (round, first) = (_work!.Round, SimulatedVectors.Layout.FirstSlice(_work.Round.Kind));
        for (var slice = first; slice < SimulatedVectors.Layout.Slices; slice++)
            _sums.Values[(_work.Next, slice)] = SimulatedVectors.Contribution(State, round, _work.Next, slice);
        if (_work.Computed(new AllSlices(_sums, first)) is { } node) Send(node);
        _isMapping = !_work.IsDone;
    }

    private void Send(TreeNode node)
    {
        var round = _work!.Round;
        for (var slice = SimulatedVectors.Layout.FirstSlice(round.Kind); slice < SimulatedVectors.Layout.Slices; slice++)
        {
            var (plan, value) = (Protocol.Plan!, _sums.Values[(node.First, slice)]);
            var frame = new FrameHeader(FrameKind.Contribution, 0, _generation, round.Number, slice, node, SimulatedVectors.Layout.WireBytesOf(slice, cluster.IsHalf));
            var owner = plan.OwnerOf(slice);
            if (owner == Plan.Coordinator) SendStar(frame, value);
            else if (plan.Workers[owner] == id) Reduce(owner, frame, value);
            else SendTo(plan.Workers[owner], frame, value);
        }
    }

    private void SendStar(FrameHeader frame, long value)
    {
        if (!_isUnlinked && _linked is { } coordinator) _toLink.Enqueue(() => coordinator.Reduce(this, frame, value));
    }

    private void SendPresent(Round round)
    {
        var plan = Protocol.Plan!;
        var frame = new FrameHeader(FrameKind.Present, 0, _generation, round.Number, 0, default, 0);
        var owners = Enumerable.Range(0, SimulatedVectors.Layout.Slices).Skip(SimulatedVectors.Layout.FirstSlice(round.Kind)).Select(plan.OwnerOf).Distinct();
        foreach (var owner in owners)
        {
            if (owner == Plan.Coordinator) SendStar(frame, 0);
            else SendTo(plan.Workers[owner], frame, 0);
        }
    }
}
