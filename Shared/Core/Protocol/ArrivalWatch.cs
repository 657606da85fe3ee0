using System.Collections.Immutable;

namespace Distributed.Core.Protocol;

/// <summary>
/// Measures how far behind the fastest each worker of a plan was. All receive the average of a round at the same time, so the worker that
/// waited longest for it finished first.
/// </summary>
internal sealed class ArrivalWatch
{
    /// <summary>Rounds between the fastest and the slowest report; beyond that, the oldest reports are dropped.</summary>
    public const int MaxRounds = 4096;

    private readonly Dictionary<long, Waits> _rounds = [];
    private readonly Stack<Waits> _spare = new();
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private double[] _behind = [];

    private sealed record Waits(double[] Seconds)
    {
        public int Missing { get; set; }
    }

    /// <summary>The workers of the plan.</summary>
    public ImmutableArray<string> Workers { get; private set; } = [];

    /// <summary>A plan with these workers is in force: incomplete rounds of the former plan are dropped.</summary>
    public void Begin(ImmutableArray<string> workers)
    {
        Workers = workers;
        _rounds.Clear();
        _spare.Clear();
        _places.Clear();
        for (var i = 0; i < workers.Length; i++) _places.Add(workers[i], i);
        _behind = new double[workers.Length];
    }

    /// <summary>A worker reports how long it waited for the average of a round.</summary>
    /// <param name="worker">Its id; workers outside the plan are ignored.</param>
    /// <param name="round">Number of the round.</param>
    /// <param name="seconds">0 or more.</param>
    /// <returns>
    /// Seconds that each worker was behind, in the order of <see cref="Workers"/>, once all have reported the round; else empty. Valid
    /// until the next call.
    /// </returns>
    public ReadOnlySpan<double> Waited(string worker, long round, double seconds)
    {
        if (!_places.TryGetValue(worker, out var place)) return [];
        if (!_rounds.TryGetValue(round, out var waits))
        {
            if (_rounds.Count == MaxRounds) _rounds.Clear();
            _rounds.Add(round, waits = Rent());
        }
        if (!double.IsNaN(waits.Seconds[place])) return [];
        waits.Seconds[place] = seconds;
        if (--waits.Missing > 0) return [];
        _rounds.Remove(round);
        _spare.Push(waits);
        Behind(waits.Seconds, _behind);
        return _behind;
    }

    /// <summary>By how much each was behind the one that waited longest.</summary>
    /// <param name="waits">At least one.</param>
    /// <param name="behind">As many; one of them becomes 0, none less.</param>
    public static void Behind(ReadOnlySpan<double> waits, Span<double> behind)
    {
        var longest = waits[0];
        foreach (var wait in waits) longest = Math.Max(longest, wait);
        for (var i = 0; i < waits.Length; i++) behind[i] = longest - waits[i];
    }

    private Waits Rent()
    {
        if (!_spare.TryPop(out var waits)) waits = new(new double[Workers.Length]);
        waits.Seconds.AsSpan().Fill(double.NaN);
        waits.Missing = Workers.Length;
        return waits;
    }
}
