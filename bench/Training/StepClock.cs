namespace Distributed.Bench.Training;

/// <summary>
/// The times of a run's steps, estimated from observations of its growing history. The file lags by up to some tenths of a second and is
/// never early, so the least lag among nearby observations is the best estimate of the offset.
/// </summary>
internal sealed class StepClock
{
    /// <summary>Short enough that few evaluations and pauses, which the steps' times do not include, lie in between.</summary>
    private static readonly TimeSpan _near = TimeSpan.FromSeconds(10);

    private readonly List<(TimeSpan Seen, int Steps)> _observations = [];

    /// <summary>The history had so many steps at that time.</summary>
    public void Record(TimeSpan at, int steps) => _observations.Add((at, steps));

    /// <summary>The mean time of the steps that ended between two times.</summary>
    /// <param name="milliseconds">The time of every step.</param>
    /// <param name="from">Not before the first observation.</param>
    /// <param name="to">Not after the last one.</param>
    /// <returns>NaN if no step ended.</returns>
    public double Mean(IReadOnlyList<double> milliseconds, TimeSpan from, TimeSpan to)
    {
        double[] ends = new double[milliseconds.Count + 1];
        for (var i = 0; i < milliseconds.Count; i++) ends[i + 1] = ends[i] + milliseconds[i];
        var offset = _observations.Where(seen => seen.Seen > from - _near && seen.Seen < to + _near)
            .Min(seen => seen.Seen.TotalMilliseconds - ends[seen.Steps]);
        return milliseconds.Where((_, i) => IsInside(ends[i + 1] + offset)).DefaultIfEmpty(double.NaN).Average();

        bool IsInside(double end) => end >= from.TotalMilliseconds && end < to.TotalMilliseconds;
    }
}
