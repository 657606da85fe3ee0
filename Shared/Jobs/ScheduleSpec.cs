using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>A learning-rate schedule. A new one is a record with its keys and its factor, and an entry in <see cref="JobKeys"/>.</summary>
internal abstract record ScheduleSpec
{
    public long WarmupSteps { get; init; } // Steps over which the rate first rises linearly to its base; at least 0.

    /// <summary>The part of the base rate, 0 to 1, that applies to a step after the warm-up; epochs are counted from step 0.</summary>
    public abstract double FactorAt(long step, long totalSteps, long stepsPerEpoch);

    private protected static T WarmupOf<T>(Fields f, T schedule) where T : ScheduleSpec => schedule with
    {
        WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0, long.MaxValue)),
    };
}

internal sealed record ConstantSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<ConstantSpec>("constant", WarmupOf);

    public override double FactorAt(long step, long totalSteps, long stepsPerEpoch) => 1;
}

/// <summary>Multiplies the rate by a factor every so many epochs.</summary>
internal sealed record StepSpec : ScheduleSpec
{
    public int EveryEpochs { get; init; } = 10;
    public double Factor { get; init; } = 0.1;

    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<StepSpec>("step", (f, schedule) => WarmupOf(f, schedule) with
    {
        EveryEpochs = f.Value("every-epochs", schedule.EveryEpochs, Whole(1, int.MaxValue)),
        Factor = f.Value("factor", schedule.Factor, Number("greater than 0, at most 1", x => x is > 0 and <= 1)),
    });

    public override double FactorAt(long step, long totalSteps, long stepsPerEpoch) => Math.Pow(Factor, step / stepsPerEpoch / EveryEpochs);
}

/// <summary>
/// Lowers the rate from its base to 0 along half a cosine over the steps after the warm-up (Loshchilov and Hutter 2017, "SGDR",
/// equation 5, with a minimum of 0 and no restart).
/// </summary>
internal sealed record CosineSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<CosineSpec>("cosine", WarmupOf);

    public override double FactorAt(long step, long totalSteps, long stepsPerEpoch) =>
        (1 + Math.Cos(Math.PI * ((step - WarmupSteps) / (double)(totalSteps - WarmupSteps)))) / 2;
}

internal static class LearningRate
{
    /// <summary>
    /// The rate of a step, 0 to <paramref name="baseRate"/>: base · (step + 1) / warmup over the warm-up steps (Goyal et al. 2017,
    /// section 2.2), then the base times the schedule's factor.
    /// </summary>
    public static double At(ScheduleSpec schedule, double baseRate, long step, long totalSteps, long stepsPerEpoch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(baseRate);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, totalSteps);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stepsPerEpoch);
        return baseRate * (step < schedule.WarmupSteps
            ? (step + 1) / (double)schedule.WarmupSteps
            : schedule.FactorAt(step, totalSteps, stepsPerEpoch));
    }
}
