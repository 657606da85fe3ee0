using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// Tells when the cluster has stood still for longer than it ever took: somebody is frozen, or hangs in its device. What is
/// normal is learned from the times that the workers report; before that, much is allowed. Time is what the caller says it is.
/// </summary>
internal sealed class ProgressWatch
{
    /// <summary>
    /// How much longer the cluster waits for a silent worker that alone holds the newest parameters. As long as the failure detector
    /// gives a process that is frozen: 10 s until it is noticed, and 5 s of grace.
    /// </summary>
    public static readonly TimeSpan LastHolderPatience = TimeSpan.FromSeconds(15);

    private const double Margin = 10;
    private const double Forgetting = 0.5;
    private const double StateBytesPerSecond = 4 << 20;

    private static readonly TimeSpan _floor = TimeSpan.FromSeconds(2);

    /// <summary>A worker's first step loads libraries, compiles kernels, and touches its memory for the first time.</summary>
    private static readonly TimeSpan _first = TimeSpan.FromMinutes(2);

    // By worker: of a step, and of an evaluation; 0 as long as there was none.
    private readonly Dictionary<string, (double Train, double Evaluate)> _seconds = new(StringComparer.Ordinal);
    private (ClusterPhase, int, int, object) _mark;
    private TimeSpan _idle;
    private TimeSpan _held;

    /// <summary>A worker has applied a round.</summary>
    /// <param name="worker">Id of the worker.</param>
    /// <param name="round">The round.</param>
    /// <param name="seconds">What it took, waiting included.</param>
    public void Applied(string worker, Round round, double seconds)
    {
        var known = _seconds.GetValueOrDefault(worker);
        _seconds[worker] = round.Kind == RoundKind.Train
            ? known with { Train = Math.Max(seconds, Forgetting * known.Train) }
            : known with { Evaluate = Math.Max(seconds, Forgetting * known.Evaluate) };
    }

    /// <summary>A worker is gone; if one of its name comes back, it is a stranger.</summary>
    public void Forget(string worker) => _seconds.Remove(worker);

    /// <summary>Time has passed.</summary>
    /// <param name="elapsed">Since the last call. After a pause of the caller itself: no more than it meant to let pass.</param>
    /// <param name="cluster">Where the cluster stands.</param>
    /// <returns>What is overdue, in a user's words, once; null if nothing is.</returns>
    public string? Tick(TimeSpan elapsed, ClusterProtocol cluster)
    {
        var mark = (cluster.Phase, cluster.Generation, cluster.Awaited, (object)cluster.Members);
        if (mark != _mark) (_mark, _idle) = (mark, TimeSpan.Zero);
        else _idle += elapsed;
        // Newcomers do not begin this wait anew: they may come again and again.
        var isHeld = cluster.IsLastHolderAnnounced && cluster.AwaitsLastHolder;
        _held = isHeld ? _held + elapsed : TimeSpan.Zero;
        if (PatienceWith(cluster) is not { } patience || (isHeld ? _held : _idle) <= patience) return null;
        (_idle, _held) = (TimeSpan.Zero, TimeSpan.Zero);
        return $"nothing was heard for {patience.TotalSeconds:0.0} s";
    }

    /// <summary>How long the cluster may stand still where it is; null where it may for ever.</summary>
    public TimeSpan? PatienceWith(ClusterProtocol cluster)
    {
        switch (cluster.Phase)
        {
            case ClusterPhase.Reconfiguring when cluster.IsLastHolderAnnounced && cluster.AwaitsLastHolder:
                return LastHolderPatience;
            case ClusterPhase.Collecting:
            case ClusterPhase.Reconfiguring when cluster.Members.Values.Any(m => m.Status == MemberStatus.Syncing):
                return _floor + TimeSpan.FromSeconds(Margin + (cluster.Facts!.StateBytes / StateBytesPerSecond));
            case ClusterPhase.Training or ClusterPhase.Reconfiguring:
                // In which of the two a worker is, is not known to the last round.
                var evaluation = (double)cluster.Rounds!.TestSamples / cluster.Rounds.Batch;
                var most = 0d;
                foreach (var member in cluster.Members.Values)
                {
                    if (member.Status == MemberStatus.Preparing) continue;
                    if (_seconds.GetValueOrDefault(member.Id) is not { Train: > 0 } known) return _first;
                    most = Math.Max(most, Math.Max(known.Train, known.Evaluate > 0 ? known.Evaluate : known.Train * evaluation));
                }
                return _floor + TimeSpan.FromSeconds(Math.Min(Margin * most, TimeSpan.MaxValue.TotalSeconds / 2));
            default:
                return null;
        }
    }
}
