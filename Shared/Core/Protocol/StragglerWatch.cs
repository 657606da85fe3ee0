using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// Sees from the reports which workers are slow, and says when moving micro-batches would be worth a reconfiguration. Time is
/// what the caller says it is.
/// </summary>
/// <param name="microBatches">Micro-batches of a step.</param>
internal sealed class StragglerWatch(int microBatches)
{
    /// <summary>The computing of a step must become shorter by this much: estimates scatter, and a change is not free.</summary>
    public const double WorthIt = 0.75;

    /// <summary>Steps that must be seen under a plan before it is judged.</summary>
    public const int Steps = 20;

    private const double Smoothing = 0.1;

    /// <summary>Who computes nothing is not measured: it is thought to become faster, so that it gets another chance.</summary>
    private const double Hope = 0.98;

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, (double Seconds, int Steps)> _workers = new(StringComparer.Ordinal);
    private Plan? _plan;
    private TimeSpan _since;

    /// <summary>A worker has applied a training step.</summary>
    /// <param name="worker">Id of the worker.</param>
    /// <param name="share">Micro-batches that it computed.</param>
    /// <param name="seconds">How long it computed them.</param>
    public void Applied(string worker, int share, double seconds)
    {
        var (known, steps) = _workers.GetValueOrDefault(worker);
        if (share == 0)
        {
            _workers[worker] = (known * Hope, steps + 1);
            return;
        }
        var now = Math.Max(seconds / share, 1e-9);
        // The first steps of a plan compile code and fill caches.
        _workers[worker] = (steps < Steps / 2 ? now : known + (Smoothing * (now - known)), steps + 1);
    }

    /// <summary>A worker is gone.</summary>
    public void Forget(string worker) => _workers.Remove(worker);

    /// <summary>Time has passed.</summary>
    /// <param name="elapsed">Since the last call.</param>
    /// <param name="plan">The plan in force; null while there is none.</param>
    /// <returns>By worker of the plan, the micro-batches that it should have from now on, and why, in a user's words; null to leave it.</returns>
    public (ImmutableDictionary<string, int> Shares, string Why)? Tick(TimeSpan elapsed, Plan? plan)
    {
        _since += elapsed;
        if (plan != _plan)
        {
            (_plan, _since) = (plan, TimeSpan.Zero);
            foreach (var worker in _workers.Keys) _workers[worker] = _workers[worker] with { Steps = 0 };
        }
        if (plan is null || plan.Workers.Length < 2 || _since < _pause) return null;
        _since = TimeSpan.Zero;
        var seconds = new double[plan.Workers.Length];
        for (var i = 0; i < seconds.Length; i++)
        {
            if (_workers.GetValueOrDefault(plan.Workers[i]) is not { Steps: >= Steps, Seconds: > 0 and var known }) return null;
            seconds[i] = known;
        }
        var (now, best) = (plan.SharesOf(microBatches), Balance.Best(microBatches, seconds));
        if (Balance.Makespan(best, seconds) > WorthIt * Balance.Makespan(now, seconds)) return null;
        var slowest = Array.IndexOf(seconds, seconds.Max());
        return (best.Select((share, i) => KeyValuePair.Create(plan.Workers[i], share)).ToImmutableDictionary(StringComparer.Ordinal),
            $"{plan.Workers[slowest]} takes {seconds[slowest] / seconds.Min():0.0} times as long as the fastest for a micro-batch, and computes {best[slowest]} instead of {now[slowest]} of {microBatches} from now on");
    }
}
