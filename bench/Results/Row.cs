namespace Distributed.Bench.Results;

/// <summary>One repetition: the project's and the peer's figure (null without a peer), measured in turn, in the same unit.</summary>
internal readonly record struct Pair(double Ours, double? Peer);

internal sealed record Row
{
    /// <summary>The name of the measure, with its unit.</summary>
    public required string Measure { get; init; }
    /// <summary>The median over the repetitions; null if the measure failed.</summary>
    public double? Ours { get; init; }
    /// <summary>The median over the repetitions; null without a peer.</summary>
    public double? Peer { get; init; }
    /// <summary>Ours over the peer's; null if either is missing or the peer's is not above 0.</summary>
    public double? Ratio { get; init; }
    public string? Goal { get; init; }
    /// <summary>Whether the goal is met; null without goal or figure.</summary>
    public bool? Met { get; init; }
    public string? Failure { get; init; }
    public IReadOnlyList<Pair> Pairs { get; init; } = [];

    /// <summary>Times or sizes. The ratio is the median of the pairs' ratios, so that varying load affects both figures alike.</summary>
    public static Row OfPairs(string measure, IReadOnlyList<Pair> pairs, Goal? goal = null) =>
        Of(measure, pairs, goal, pairs.All(pair => pair.Peer > 0) ? Median.Of(pairs.Select(pair => pair.Ours / pair.Peer!.Value)) : null);

    /// <summary>
    /// Differences from a baseline. The ratio is that of the medians, since single differences may be close to 0. It is null if ours is
    /// below 0: the baseline was too slow or the machine too busy.
    /// </summary>
    public static Row OfDifferences(string measure, IReadOnlyList<Pair> pairs, Goal? goal = null)
    {
        var (ours, peer) = (Median.Of(pairs.Select(pair => pair.Ours)), Median.Of(pairs, pair => pair.Peer));
        return Of(measure, pairs, goal, ours >= 0 && peer > 0 ? ours / peer : null);
    }

    public static Row OfOurs(string measure, IEnumerable<double> ours, Goal? goal = null) =>
        OfPairs(measure, [.. ours.Select(value => new Pair(value, null))], goal);

    private static Row Of(string measure, IReadOnlyList<Pair> pairs, Goal? goal, double? ratio)
    {
        var ours = Median.Of(pairs.Select(pair => pair.Ours));
        return new()
        {
            Measure = measure,
            Ours = ours,
            Peer = Median.Of(pairs, pair => pair.Peer),
            Ratio = ratio,
            Goal = goal?.ToString(),
            Met = goal?.IsMet(ours, ratio),
            Pairs = pairs,
        };
    }
}
