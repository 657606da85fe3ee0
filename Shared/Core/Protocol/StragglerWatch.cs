using System.Collections.Immutable;
using Distributed.Core.Planning;

namespace Distributed.Core.Protocol;

/// <summary>
/// Estimates from the workers' reports how fast each computes, and proposes other shares when they are worth a reconfiguration. The caller
/// provides the time.
/// </summary>
/// <param name="microBatches">Micro-batches of a step.</param>
internal sealed class StragglerWatch(int microBatches)
{
    /// <summary>New shares must shorten the computation to this part of it: estimates scatter, and a reconfiguration costs time.</summary>
    public const double WorthIt = 0.75;

    /// <summary>Steps under a plan before it is judged.</summary>
    public const int Steps = 20;

    private const double Smoothing = 0.1;

    /// <summary>The estimate of a worker without micro-batches decays each step, so that it is eventually tried again.</summary>
    private const double IdleDecay = 0.98;

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, (double Seconds, int Steps)> _workers = new(StringComparer.Ordinal);
    private Plan? _plan;
    private TimeSpan _since;

    /// <summary>A worker has applied a training step, of which it computed this share of the micro-batches in so many seconds.</summary>
    public void Applied(string worker, int share, double seconds)
    {
        var (known, steps) = _workers.GetValueOrDefault(worker);
        if (share == 0)
        {
            _workers[worker] = (known * IdleDecay, steps + 1);
            return;
        }
        var now = Math.Max(seconds / share, 1e-9);
        // The first steps of a plan compile code and fill caches.
        _workers[worker] = (steps < Steps / 2 ? now : known + (Smoothing * (now - known)), steps + 1);
    }

    public void Forget(string worker) => _workers.Remove(worker);

    /// <param name="elapsed">Time since the last call.</param>
    /// <param name="plan">The plan in force; null between plans.</param>
    /// <returns>Micro-batches that each worker of the plan should have, and why, in a user's words; null to leave the plan.</returns>
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
        var (now, best) = (plan.SharesOf(microBatches), Balance.FastestShares(microBatches, seconds));
        if (Balance.Makespan(best, seconds) > WorthIt * Balance.Makespan(now, seconds)) return null;
        var slowest = Array.IndexOf(seconds, seconds.Max());
        var factor = seconds[slowest] / seconds.Min();
        return (best.Select((share, i) => KeyValuePair.Create(plan.Workers[i], share)).ToImmutableDictionary(StringComparer.Ordinal),
            $"{plan.Workers[slowest]} takes {factor:0.0} times as long as the fastest for a micro-batch, "
            + $"and computes {best[slowest]} instead of {now[slowest]} of {microBatches} from now on");
    }
}
