using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

public sealed class LearningRateTests
{
    private static readonly Gen<(ScheduleSpec Schedule, double Base, long Step, long Total, long PerEpoch)> _case =
        Gen.Select(JobGen.ScheduleWithin(Gen.Long[0, 50]), Gen.Double[1e-6, 10], Gen.Long[1, 1000], Gen.Long[1, 100])
            .SelectMany((schedule, rate, total, perEpoch) =>
                Gen.Long[0, total - 1].Select(step => (schedule, rate, step, total, perEpoch)));

    [Fact]
    public void The_rate_is_never_negative_nor_above_the_base() =>
        _case.Sample(c => Assert.InRange(LearningRate.At(c.Schedule, c.Base, c.Step, c.Total, c.PerEpoch), 0, c.Base));

    [Fact]
    public void The_rate_scales_with_the_base() => _case.Sample(c => Assert.Equal(
        c.Base * LearningRate.At(c.Schedule, 1, c.Step, c.Total, c.PerEpoch),
        LearningRate.At(c.Schedule, c.Base, c.Step, c.Total, c.PerEpoch)));

    [Fact]
    public void The_rate_rises_in_equal_parts_during_warm_up_and_never_after() => _case.Where(c => c.Step > 0).Sample(c =>
    {
        var change = LearningRate.At(c.Schedule, c.Base, c.Step, c.Total, c.PerEpoch)
            - LearningRate.At(c.Schedule, c.Base, c.Step - 1, c.Total, c.PerEpoch);
        if (c.Step < c.Schedule.WarmupSteps) Assert.Equal(c.Base / c.Schedule.WarmupSteps, change, 1e-12 * c.Base);
        else Assert.True(change <= 0);
    });

    [Fact]
    public void Warm_up_ends_at_the_base_where_cosine_and_constant_begin() =>
        Gen.Select(Gen.Long[1, 50], Gen.Bool).Sample((warmup, cosine) =>
        {
            ScheduleSpec schedule = cosine ? new CosineSpec { WarmupSteps = warmup } : new ConstantSpec { WarmupSteps = warmup };
            Assert.Equal(0.3, LearningRate.At(schedule, 0.3, warmup - 1, 100, 10));
            Assert.Equal(0.3, LearningRate.At(schedule, 0.3, warmup, 100, 10));
        });

    [Fact]
    public void A_cosine_is_half_way_down_in_the_middle_and_nearly_0_at_the_end() => Gen.Long[0, 50].Sample(warmup =>
    {
        var schedule = new CosineSpec { WarmupSteps = warmup };
        Assert.Equal(0.5, LearningRate.At(schedule, 1, warmup + 500, warmup + 1000, 10), 1e-12);
        Assert.InRange(LearningRate.At(schedule, 1, warmup + 999, warmup + 1000, 10), 0, 1e-5);
    });

    [Fact]
    public void A_step_schedule_decays_only_at_epoch_boundaries() =>
        Gen.Select(Gen.Int[1, 5], Gen.Long[1, 20], Gen.Long[0, 500]).Sample((every, perEpoch, step) =>
        {
            var schedule = new StepSpec { EveryEpochs = every, Factor = 0.5 };
            var decays = (int)(step / (every * perEpoch));
            Assert.Equal(Math.ScaleB(1, -decays), LearningRate.At(schedule, 1, step, 501, perEpoch));
        });

    [Theory]
    [InlineData(0, 0, 1, 1)]
    [InlineData(1, -1, 1, 1)]
    [InlineData(1, 1, 1, 1)]
    [InlineData(1, 0, 1, 0)]
    public void A_number_out_of_range_is_refused(double rate, long step, long total, long perEpoch) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRate.At(new ConstantSpec(), rate, step, total, perEpoch));
}
