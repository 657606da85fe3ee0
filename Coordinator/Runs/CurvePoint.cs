namespace Distributed.Coordinator.Runs;

/// <summary>What a curve holds of some values that follow each other. Mean, least and greatest are NaN where one of the values is no finite number.</summary>
/// <param name="Min">The least.</param>
internal readonly record struct CurvePoint(long Step, long Count, double Mean, double Min, double Max)
{
    public static CurvePoint Of(long step, double value)
    {
        var number = double.IsFinite(value) ? value : double.NaN;
        return new(step, 1, number, number, number);
    }

    public CurvePoint With(CurvePoint next)
    {
        var (count, min, max) = (Count + next.Count, Math.Min(Min, next.Min), Math.Max(Max, next.Max));
        // Weighted, not summed, as a sum may overflow where its terms do not; clamped, as it is rounded.
        var mean = Mean * ((double)Count / count) + next.Mean * ((double)next.Count / count);
        return new(next.Step, count, double.IsNaN(mean) ? mean : Math.Clamp(mean, min, max), min, max);
    }
}
