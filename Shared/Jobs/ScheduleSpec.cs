using static Distributed.Jobs.Allow;

namespace Distributed.Jobs;

/// <summary>How the learning rate changes over a run; <see cref="LearningRate.At"/> gives its value.</summary>
internal abstract record ScheduleSpec
{
    /// <summary>Steps over which the rate first rises linearly to its base; at least 0.</summary>
    public long WarmupSteps { get; init; }

    private protected static T WarmupOf<T>(Fields f, T schedule) where T : ScheduleSpec => schedule with
    {
        WarmupSteps = f.Value("warmup-steps", schedule.WarmupSteps, Whole(0, long.MaxValue)),
    };
}

internal sealed record ConstantSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<ConstantSpec>("constant", WarmupOf);
}

/// <summary>The rate is multiplied by a factor every so many epochs.</summary>
internal sealed record StepSpec : ScheduleSpec
{
    /// <summary>Epochs between two decays; at least 1.</summary>
    public int EveryEpochs { get; init; } = 10;

    /// <summary>What a decay multiplies the rate by; greater than 0, at most 1.</summary>
    public double Factor { get; init; } = 0.1;

    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<StepSpec>("step", (f, schedule) => WarmupOf(f, schedule) with
    {
        EveryEpochs = f.Value("every-epochs", schedule.EveryEpochs, Whole(1, int.MaxValue)),
        Factor = f.Value("factor", schedule.Factor, Number("greater than 0, at most 1", x => x is > 0 and <= 1)),
    });
}

/// <summary>The rate falls from its base to 0 along half a cosine.</summary>
internal sealed record CosineSpec : ScheduleSpec
{
    internal static Kind<ScheduleSpec> Keys { get; } = Kind<ScheduleSpec>.Of<CosineSpec>("cosine", WarmupOf);
}
