using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>
/// A coordinator of a <see cref="ClusterSimulation"/>: the real protocol, records and conversations, and in a star the real reduction.
/// There may be two at once: a restarted coordinator, and the former one, which does not know of it yet.
/// </summary>
internal sealed partial class SimulatedCoordinator
{
    private readonly ClusterSimulation _simulation;
    private readonly SortedDictionary<string, Connected> _workers = new(StringComparer.Ordinal);
    private readonly Dictionary<SimulatedWorker, Conversation> _parting = [];
    private readonly HashSet<string> _probed = new(StringComparer.Ordinal);
    private long _result;

    private sealed record Connected(SimulatedWorker Worker, int Life, Conversation Conversation)
    {
        public Welcome Welcome { get; set; } = null!;
    }

    /// <param name="simulation">The cluster.</param>
    /// <param name="books">Its records on the disk.</param>
    /// <param name="startWith">How many workers a first plan waits for.</param>
    /// <param name="isOpen">Whether workers may still join when all are gone.</param>
    public SimulatedCoordinator(ClusterSimulation simulation, SimulatedBooks books, int startWith, bool isOpen)
    {
        (_simulation, Books, Cluster) = (simulation, books, books.ToCluster(simulation, startWith, isOpen));
        books.OnSafe = TellSafe;
        books.OnStored = () =>
        {
            if (books.Newest is { } newest && newest != Cluster.Stored) Decide(new ClusterEvent.Stored(newest));
        };
        if (Cluster.Rounds is { } rounds) Open(rounds);
    }

    public ClusterProtocol Cluster { get; private set; }

    /// <summary>Its records on the disk.</summary>
    public SimulatedBooks Books { get; }

    /// <summary>How many rounds it has recorded.</summary>
    public long Entered => Books.Recorder.Entered;

    /// <summary>Why the job has failed.</summary>
    public string? Failure { get; private set; }

    public FailureCause? FailureCause { get; private set; }

    /// <summary>Workers that it has accepted.</summary>
    public IEnumerable<SimulatedWorker> Workers => _workers.Values.Select(there => there.Worker);

    public bool IsOver => Cluster.Phase is ClusterPhase.Finished or ClusterPhase.Failed;

    /// <summary>Whether no message waits for an answer.</summary>
    public bool IsQuiet =>
        _workers.Values.All(there => there.Conversation.IsQuiet) && _parting.Values.All(conversation => conversation.IsQuiet);

    private IEnumerable<Member> InPlay => Cluster.Members.Values.Where(m => m.Status != MemberStatus.Preparing);

    /// <summary>Time passes.</summary>
    public void Pass(TimeSpan elapsed)
    {
        Books.Refresh(elapsed);
        Books.MakeSafe(_simulation.SafeInterval);
        foreach (var (id, there) in _workers.ToList())
        {
            there.Conversation.Pass(elapsed);
            Send(there.Worker, there.Conversation);
            if (!there.Conversation.IsGivenUp) continue;
            _simulation.Census.Count("worker given up");
            Lose(id, there.Conversation.Unanswered);
        }
        foreach (var (worker, conversation) in _parting.ToList())
        {
            conversation.Pass(elapsed);
            Send(worker, conversation);
            if (conversation.IsQuiet || conversation.IsGivenUp) _parting.Remove(worker);
        }
    }

    /// <summary>A worker's message has arrived.</summary>
    public void Receive(SimulatedWorker worker, int life, IControlMessage message)
    {
        switch (message)
        {
            case Register register:
                Take(worker, life, register);
                break;
            case Numbered numbered when ConversationWith(worker) is { } conversation:
                if (_simulation.Hear(conversation, numbered) is { } said && _workers.ContainsKey(worker.Id)) Hear(worker, said);
                break;
            case Heard heard:
                ConversationWith(worker)?.Hear(heard);
                break;
        }
    }

    /// <summary>A worker's process is gone, or its link.</summary>
    public void Lose(string worker, string why, bool isOwnFailure = false)
    {
        if (!_workers.Remove(worker, out var lost)) return;
        lost.Worker.CloseLink(this);
        Decide(new ClusterEvent.Lost(worker, why, isOwnFailure));
    }

    /// <summary>Tells a worker, and repeats the message until it answers.</summary>
    public void Tell(string worker, ICoordinatorMessage message)
    {
        if (!_workers.TryGetValue(worker, out var there)) return;
        there.Conversation.Say(message);
        Send(there.Worker, there.Conversation);
    }

    public void Decide(ClusterEvent happened)
    {
        var before = Cluster;
        (Cluster, var effects) = Cluster.Handle(happened);
        if (before is { IsLastHolderAnnounced: true, AwaitsLastHolder: true } && !Cluster.AwaitsLastHolder)
        {
            var isGivenUp = effects.Any(effect => effect is ClusterEffect.Refuse);
            _simulation.Census.Count(isGivenUp ? "last holder given up" : "last holder answered");
        }
        Books.Keep(Cluster);
        foreach (var effect in effects) Execute(effect);
        // During training every prepared worker takes part, and no worker that wants to leave is kept.
        if (Cluster.Phase == ClusterPhase.Training)
            Assert.All(InPlay, m => Assert.Equal((MemberStatus.Active, false), (m.Status, m.Leaving)));
    }

    private Conversation? ConversationWith(SimulatedWorker worker) =>
        _workers.TryGetValue(worker.Id, out var there) && there.Worker == worker ? there.Conversation : _parting.GetValueOrDefault(worker);

    private void Send(SimulatedWorker worker, Conversation conversation)
    {
        foreach (var message in _simulation.Due(conversation)) _simulation.ToWorker(this, worker, message);
    }

    private void Take(SimulatedWorker worker, int life, Register register)
    {
        // A message of a former node of this worker does not count.
        if (life < worker.Life || worker.IsGone) return;
        if (_workers.TryGetValue(worker.Id, out var known))
        {
            if (known.Life == life)
            {
                _simulation.Census.Count("register repeated");
                _simulation.ToWorker(this, worker, known.Welcome);
                return;
            }
            Lose(worker.Id, "it has come back over a new connection");
        }
        if (Cluster.Phase == ClusterPhase.Finished)
        {
            _simulation.ToWorker(this, worker, new Dismissed("the job is done"));
            return;
        }
        if (_simulation.IsProbing && _probed.Add(worker.Id))
        {
            _simulation.ToWorker(this, worker, new Probe("the job"));
            return;
        }
        _parting.Remove(worker);
        if (register.Holding.Generation > 0)
        {
            if (!Cluster.CanAdopt(register.Holding)) _simulation.Census.Count("rolled-back worker refused");
            if (register.ReportsFrom > Entered) _simulation.Census.Count("worker without the missing reports begins anew");
        }
        _workers[worker.Id] = new(worker, life, new(_simulation.Random.NextInt64(), _simulation.Limits));
        Decide(new ClusterEvent.Registered(worker.Id, HadPart: register.Token.Length > 0, register.Holding, register.ReportsFrom, Entered));
    }

    private void Welcome(ClusterEffect.Welcome effect)
    {
        var there = _workers[effect.Worker];
        there.Welcome = new(
            effect.Worker, "the job", "coordinator", 1, [], effect.IsAdopted, Entered, _simulation.HasInitial ? 1 : 0,
            Conversation: there.Conversation.Id);
        _simulation.ToWorker(this, there.Worker, there.Welcome);
    }

    private void Hear(SimulatedWorker worker, IControlMessage said)
    {
        switch (said)
        {
            case Prepared m:
                Decide(new ClusterEvent.Prepared(worker.Id, m.ToFacts(), m.Holding));
                if (Books.Safe > 0) Tell(worker.Id, new ReportsSafe(Books.Safe));
                break;
            case Halted m:
                Decide(new ClusterEvent.Halted(worker.Id, m.Generation, m.Applied, m.Digest, Entered));
                break;
            case Synced m:
                Decide(new ClusterEvent.Synced(worker.Id, m.Generation, m.Applied, m.Digest));
                break;
            case RoundsApplied m:
                Enter(worker.Id, m);
                break;
            case PeerLost m:
                Decide(new ClusterEvent.PeerLost(worker.Id, m.Generation, m.Peer, m.Why));
                break;
            case Leave m:
                Decide(new ClusterEvent.Leaving(worker.Id, m.Reason));
                break;
            case FindData:
                Tell(worker.Id, _simulation.Random.Next(3) == 0 ? new NoData("there is none") : new DataFound("key", 1, 1));
                break;
            case SendData:
                Link(worker.Id, w => w.ReceiveData());
                break;
            case Failed m:
                Lose(worker.Id, m.Reason, isOwnFailure: _simulation.IsLocal);
                break;
            default:
                Assert.Fail($"{worker.Id} says {said}");
                break;
        }
    }

    private void Enter(string worker, RoundsApplied progress)
    {
        if (Books.Recorder.Gap(progress.Rounds) is { } gap)
        {
            Assert.True(_simulation.Find(worker)?.Misfit == Misfit.LosesReports, gap);
            Decide(new ClusterEvent.ReportsMissing(worker, gap));
            return;
        }
        if (Books.Recorder.Applied(worker, progress.Rounds) is { } wrong)
        {
            Assert.True(_simulation.Expected == Core.Protocol.FailureCause.Records, wrong);
            Decide(new ClusterEvent.RecordsContradicted(wrong));
            return;
        }
        Decide(new ClusterEvent.Reached(worker, progress.Rounds[^1].Round + 1));
        Books.StoreNext();
        Books.MakeSafe(_simulation.SafeInterval);
    }

    private void TellSafe(long before)
    {
        foreach (var there in _workers.Keys.ToList()) Tell(there, new ReportsSafe(before));
    }
}
