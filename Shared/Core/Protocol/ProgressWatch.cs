using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// Detects that the cluster has made no progress for longer than it ever took: a worker is frozen or hangs in its device. Learns the usual
/// times from the workers' reports; before the first report the timeout is long. The caller provides the time.
/// </summary>
internal sealed class ProgressWatch
{
    /// <summary>
    /// How much longer the cluster waits for a silent worker that alone holds the newest parameters. As long as the failure detector
    /// gives a process that is frozen: 10 s until it is noticed, and 5 s of grace.
    /// </summary>
    public static readonly TimeSpan LastHolderTimeout = TimeSpan.FromSeconds(15);

    private const double Margin = 10;
    private const double Decay = 0.5;
    private const double StateBytesPerSecond = 4 << 20;

    private static readonly TimeSpan _floor = TimeSpan.FromSeconds(2);

    /// <summary>A worker's first step loads libraries, compiles kernels, and touches its memory for the first time.</summary>
    private static readonly TimeSpan _first = TimeSpan.FromMinutes(2);

    // By worker: seconds of a step and of an evaluation; 0 before the first.
    private readonly Dictionary<string, (double Train, double Evaluate)> _seconds = new(StringComparer.Ordinal);
    private (ClusterPhase, int, int, object) _mark;
    private TimeSpan _idle;
    private TimeSpan _held;

    /// <summary>A worker has applied a round in so many seconds, waiting included.</summary>
    public void Applied(string worker, Round round, double seconds)
    {
        var known = _seconds.GetValueOrDefault(worker);
        _seconds[worker] = round.Kind == RoundKind.Train
            ? known with { Train = Math.Max(seconds, Decay * known.Train) }
            : known with { Evaluate = Math.Max(seconds, Decay * known.Evaluate) };
    }

    /// <summary>A worker is gone: the next one of its name begins without a history.</summary>
    public void Forget(string worker) => _seconds.Remove(worker);

    /// <summary>Time has passed since the last call, pauses of the caller's process not counted.</summary>
    /// <returns>What is overdue, in a user's words, once; null if nothing is.</returns>
    public string? Tick(TimeSpan elapsed, ClusterProtocol cluster)
    {
        var mark = (cluster.Phase, cluster.Generation, cluster.Awaited, (object)cluster.Members);
        if (mark != _mark) (_mark, _idle) = (mark, TimeSpan.Zero);
        else _idle += elapsed;
        // Newcomers do not restart this wait: they may keep coming.
        var isHeld = cluster.IsLastHolderAnnounced && cluster.AwaitsLastHolder;
        _held = isHeld ? _held + elapsed : TimeSpan.Zero;
        if (TimeoutFor(cluster) is not { } timeout || (isHeld ? _held : _idle) <= timeout) return null;
        (_idle, _held) = (TimeSpan.Zero, TimeSpan.Zero);
        return $"nothing was heard for {timeout.TotalSeconds:0.0} s";
    }

    /// <summary>How long the cluster may make no progress in its phase; null for ever.</summary>
    public TimeSpan? TimeoutFor(ClusterProtocol cluster)
    {
        switch (cluster.Phase)
        {
            case ClusterPhase.Reconfiguring when cluster.IsLastHolderAnnounced && cluster.AwaitsLastHolder:
                return LastHolderTimeout;
            case ClusterPhase.Collecting:
            case ClusterPhase.Reconfiguring when cluster.Members.Values.Any(m => m.Status == MemberStatus.Syncing):
                return _floor + TimeSpan.FromSeconds(Margin + (cluster.Facts!.StateBytes / StateBytesPerSecond));
            case ClusterPhase.Training or ClusterPhase.Reconfiguring:
                // The coordinator does not know whether a worker is in a step or in an evaluation.
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
