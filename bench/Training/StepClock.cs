namespace Distributed.Bench.Training;

/// <summary>
/// When the steps of a run were done, by the clock of whoever watches its history grow. The file is late by up to some tenths of a
/// second, but never early: the soonest that a line was seen says how late the others near it were.
/// </summary>
internal sealed class StepClock
{
    /// <summary>Between evaluations and pauses that no step accounts for.</summary>
    private static readonly TimeSpan _near = TimeSpan.FromSeconds(10);

    private readonly List<(TimeSpan Seen, int Steps)> _looks = [];

    /// <summary>So many steps were in the history at that time.</summary>
    public void Saw(TimeSpan at, int steps) => _looks.Add((at, steps));

    /// <summary>The mean time of the steps that ended between two times.</summary>
    /// <param name="milliseconds">Of every step.</param>
    /// <param name="from">Not before the first look.</param>
    /// <param name="to">Not after the last one.</param>
    /// <returns>Not a number where no step ended.</returns>
    public double Mean(IReadOnlyList<double> milliseconds, TimeSpan from, TimeSpan to)
    {
        double[] ends = new double[milliseconds.Count + 1];
        for (var i = 0; i < milliseconds.Count; i++) ends[i + 1] = ends[i] + milliseconds[i];
        var offset = _looks.Where(look => look.Seen > from - _near && look.Seen < to + _near).Min(look => look.Seen.TotalMilliseconds - ends[look.Steps]);
        return milliseconds.Where((_, i) => ends[i + 1] + offset is var end && end >= from.TotalMilliseconds && end < to.TotalMilliseconds).DefaultIfEmpty(double.NaN).Average();
    }
}
