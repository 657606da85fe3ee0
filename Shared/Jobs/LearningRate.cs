namespace Distributed.Jobs;

/// <summary>The learning rate of a step, as a pure function of its number.</summary>
internal static class LearningRate
{
    /// <summary>
    /// The rate with which step <paramref name="step"/> is applied. It rises as base · (step + 1) / warmup over the warm-up steps
    /// (Goyal et al. 2017, section 2.2), and is then
    /// constant: base;
    /// step: base · factor^⌊epoch / every-epochs⌋, the epochs counted from step 0;
    /// cosine: base · (1 + cos(π · p)) / 2, where p runs from 0 to 1 over the steps after the warm-up
    /// (Loshchilov and Hutter 2017, "SGDR", equation 5, with a minimum of 0 and no restart).
    /// </summary>
    /// <param name="baseRate">The rate that the schedule scales; greater than 0.</param>
    /// <param name="step">The step, from 0 to below <paramref name="totalSteps"/>.</param>
    /// <param name="totalSteps">Steps of the whole run; at least 1.</param>
    /// <param name="stepsPerEpoch">Steps of an epoch; at least 1.</param>
    /// <returns>A rate from 0 to <paramref name="baseRate"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
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
