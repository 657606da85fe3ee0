using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class FlushScheduleTests
{
    private const long Interval = 4;

    [Fact]
    public void Records_are_flushed_once_per_interval_and_one_flush_at_a_time()
    {
        var schedule = new FlushSchedule(entered: 10);
        Assert.Equal((10, null), (schedule.Safe, schedule.Due(13, Interval, isRestartable: true)));
        Assert.Equal(14, schedule.Due(14, Interval, isRestartable: true));
        Assert.Null(schedule.Due(17, Interval, isRestartable: true));
        schedule.Flushed(14);
        Assert.Equal((14, 18), (schedule.Safe, schedule.Due(18, Interval, isRestartable: true)));
    }

    [Fact]
    public void A_failed_flush_is_due_again_without_further_reports()
    {
        var schedule = new FlushSchedule(entered: 0);
        Assert.Equal(4, schedule.Due(4, Interval, isRestartable: true));
        schedule.Failed();
        Assert.Equal((0, 4), (schedule.Safe, schedule.Due(4, Interval, isRestartable: true)));
        schedule.Failed();
        // Workers that may keep no further reports wait for the flush and report nothing.
        Assert.Equal(4, schedule.Due(4, Interval, isRestartable: true));
        schedule.Flushed(4);
        Assert.Equal((4, null), (schedule.Safe, schedule.Due(4, Interval, isRestartable: true)));
    }

    [Fact]
    public void Records_are_not_safe_without_the_state_for_a_restart()
    {
        var schedule = new FlushSchedule(entered: 0);
        Assert.Null(schedule.Due(9, Interval, isRestartable: false));
        Assert.Equal(9, schedule.Due(9, Interval, isRestartable: true));
    }
}
