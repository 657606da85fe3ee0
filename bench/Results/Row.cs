namespace Distributed.Bench.Results;

/// <summary>One repetition: ours and the peer's figure, taken one right after the other, in the same unit.</summary>
/// <param name="Ours">What this project took.</param>
/// <param name="Peer">What the peer took; null where there is none.</param>
internal readonly record struct Pair(double Ours, double? Peer);

/// <summary>One line of the result.</summary>
internal sealed record Row
{
    /// <summary>What was measured, with its unit.</summary>
    public required string Measure { get; init; }

    /// <summary>Median over the repetitions; null where it was not measured.</summary>
    public double? Ours { get; init; }

    /// <summary>Median over the repetitions; null where there is no peer.</summary>
    public double? Peer { get; init; }

    /// <summary>Ours over the peer's; null where either is missing or the peer's is not above 0.</summary>
    public double? Ratio { get; init; }

    /// <summary>In words; null where there is none.</summary>
    public string? Goal { get; init; }

    /// <summary>Whether the goal is met; null without goal or figure.</summary>
    public bool? Met { get; init; }

    /// <summary>Why there is no figure; null where there is one.</summary>
    public string? Failure { get; init; }

    /// <summary>Every repetition.</summary>
    public IReadOnlyList<Pair> Pairs { get; init; } = [];

    /// <summary>Times or sizes: the ratio is the median of the pairs' ratios, so that a load which comes and goes weighs on both alike.</summary>
    public static Row OfPairs(string measure, IReadOnlyList<Pair> pairs, Goal? goal = null) =>
        Of(measure, pairs, goal, pairs.All(pair => pair.Peer > 0) ? Median.Of(pairs.Select(pair => pair.Ours / pair.Peer!.Value)) : null);

    /// <summary>
    /// What something adds to a baseline: the ratio is that of the medians, since single ones may come near to 0. Where ours is
    /// below 0, the baseline was too slow or the machine too busy, and nothing can be said.
    /// </summary>
    public static Row OfDifferences(string measure, IReadOnlyList<Pair> pairs, Goal? goal = null)
    {
        var (ours, peer) = (Median.Of(pairs.Select(pair => pair.Ours)), Median.Of(pairs, pair => pair.Peer));
        return Of(measure, pairs, goal, ours >= 0 && peer > 0 ? ours / peer : null);
    }

    /// <summary>A measure without peer.</summary>
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
