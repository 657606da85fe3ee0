using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>A worker of a <see cref="ClusterSimulation"/>: the product's protocols, and the messages in transit.</summary>
internal sealed partial class SimulatedWorker(string id, ClusterSimulation cluster, Misfit misfit = Misfit.None)
{
    /// <summary>Arrivals over its own links, in order.</summary>
    private readonly Queue<Action<SimulatedWorker>> _mail = new();

    /// <summary>Rounds applied and not yet reported.</summary>
    private readonly List<RoundReport> _unreported = [];

    private readonly Queue<Action> _toLink = new();
    private KeptReports _kept = new(cluster.KeptBytes);
    private double _best = double.NaN;
    private Action? _checkpoint;
    private bool _isUnlinked;

    public string Id => id;

    public Misfit Misfit => misfit;

    public ReplicaProtocol Protocol { get; private set; } = new(id, cluster.Rounds);

    public long Applied => Protocol.Applied;

    public long State { get; private set; }

    public StateDigest Digest => new(0, (ulong)State);

    public bool IsLeaving { get; private set; }

    /// <summary>Its process has ended.</summary>
    public bool IsGone { get; set; }

    public bool IsPrepared => cluster.Current.Cluster.Members.TryGetValue(id, out var m) && m.Status != MemberStatus.Preparing;

    /// <summary>Its process does nothing for a while.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>It has no link to a coordinator.</summary>
    public bool IsCut => _linked is null;

    /// <summary>Counts its nodes: how often it has looked for a coordinator.</summary>
    public int Life { get; private set; }

    public Holding Holding => new(Protocol.Generation, Applied);

    /// <summary>Whether no message waits for an answer.</summary>
    public bool IsQuiet => _conversation?.IsQuiet == true;

    /// <summary>Whether this coordinator has accepted it, and its link stands.</summary>
    public bool IsWith(SimulatedCoordinator coordinator) => _linked == coordinator;

    /// <summary>Sends to this worker over its link.</summary>
    public void Link(SimulatedCoordinator coordinator, Action<SimulatedWorker> deliver)
    {
        if (_linked == coordinator) LinkInbox.Enqueue(deliver);
    }

    public Queue<Action<SimulatedWorker>> LinkInbox { get; } = new();

    /// <summary>Its links to other workers of a mesh; broken ones until it notices.</summary>
    public SortedDictionary<string, SimulatedLink> Links { get; } = new(StringComparer.Ordinal);

    private void Report()
    {
        if (_unreported.Count == 0) return;
        if (misfit == Misfit.LosesReports && cluster.Random.Next(3) == 0) _unreported.RemoveAt(0);
        _kept.Keep(_unreported);
        RoundsApplied[] split = [.. MessageBounds.Split(_unreported, cluster.ReportsBytes)];
        if (split.Length > 1) cluster.Census.Count("report split by bytes");
        if (_join.Phase == JoinPhase.Training)
            foreach (var reports in split) Say(reports);
        _unreported.Clear();
    }

    /// <summary>What it can do next.</summary>
    public IEnumerable<Action> Actions()
    {
        if (IsFrozen)
        {
            yield return () => IsFrozen = cluster.Random.Next(40) > 0;
            yield break;
        }
        if (_isDisconnected)
        {
            yield return () =>
            {
                _isDisconnected = false;
                Decide(new JoinEvent.Disconnected("the link to the coordinator was lost"));
            };
        }
        if (_timers.Contains(JoinTimer.Reason)) yield return () => Expire(JoinTimer.Reason);
        if (_work.Count > 0)
        {
            yield return () =>
            {
                var work = _work[0];
                _work.RemoveAt(0);
                work();
            };
        }
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
        if (IsMapping && _kept.MayApply) yield return Compute;
        if (MayApply) yield return Apply;
        foreach (var (peer, link) in Links)
        {
            if (link.To(id).TryPeek(out var next))
            {
                if (_exchange.Classify(_exchange.IndexOf(peer), next.Frame) == FrameVerdict.Early)
                    cluster.Census.Count("frame that came early");
                else
                    yield return () => Receive(peer, link.To(id).Dequeue());
            }
            if (link.IsBroken) yield return () => LoseLink(peer, "it broke");
        }
    }
}
