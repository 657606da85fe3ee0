using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

internal abstract record ScheduleSpec
{
    public long WarmupSteps { get; init; } // Steps over which the rate first rises linearly to its base; at least 0.

    private protected static T WarmupOf<T>(Fields f, T schedule) where T : ScheduleSpec => schedule with
    {
        WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0, long.MaxValue)),
    };
}

internal sealed record ConstantSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<ConstantSpec>("constant", WarmupOf);
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
}

/// <summary>Lowers the rate from its base to 0 along half a cosine.</summary>
internal sealed record CosineSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<CosineSpec>("cosine", WarmupOf);
}

internal static class LearningRate
{
    /// <summary>
    /// The rate of a step, 0 to <paramref name="baseRate"/>. It rises as base · (step + 1) / warmup over the warm-up steps
    /// (Goyal et al. 2017, section 2.2), and is then
    /// constant: base;
    /// step: base · factor^⌊epoch / every-epochs⌋, with the epochs counted from step 0;
    /// cosine: base · (1 + cos(π · p)) / 2, where p runs from 0 to 1 over the steps after the warm-up
    /// (Loshchilov and Hutter 2017, "SGDR", equation 5, with a minimum of 0 and no restart).
    /// </summary>
    public static double At(ScheduleSpec schedule, double baseRate, long step, long totalSteps, long stepsPerEpoch)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(baseRate);
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, totalSteps);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stepsPerEpoch);

        return baseRate * (step < schedule.WarmupSteps
            ? (step + 1) / (double)schedule.WarmupSteps
            : schedule switch
            {
                ConstantSpec => 1,
                StepSpec decay => Math.Pow(decay.Factor, step / stepsPerEpoch / decay.EveryEpochs),
                CosineSpec => HalfCosine((step - schedule.WarmupSteps) / (double)(totalSteps - schedule.WarmupSteps)),
                _ => throw new ArgumentException($"No learning rate is defined for a {schedule.GetType().Name}.", nameof(schedule)),
            });
    }

    private static double HalfCosine(double progress) => (1 + Math.Cos(Math.PI * progress)) / 2;
}
