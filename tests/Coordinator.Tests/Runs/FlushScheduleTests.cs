using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Runs;

public sealed class FlushScheduleTests
{
    private const long Interval = 4;

    [Fact]
    public void Records_are_made_durable_after_so_many_rounds_and_once_at_a_time()
    {
        var schedule = new FlushSchedule(entered: 10);
        Assert.Equal((10, null), (schedule.Safe, schedule.Due(13, Interval, isRestartable: true)));
        Assert.Equal(14, schedule.Due(14, Interval, isRestartable: true));
        Assert.Null(schedule.Due(17, Interval, isRestartable: true));
        schedule.Flushed(14);
        Assert.Equal((14, 18), (schedule.Safe, schedule.Due(18, Interval, isRestartable: true)));
    }

    [Fact]
    public void What_could_not_be_made_durable_is_due_again_though_nothing_more_is_reported()
    {
        var schedule = new FlushSchedule(entered: 0);
        Assert.Equal(4, schedule.Due(4, Interval, isRestartable: true));
        schedule.Failed();
        Assert.Equal((0, 4), (schedule.Safe, schedule.Due(4, Interval, isRestartable: true)));
        schedule.Failed();
        // Workers that may keep no further reports wait for this, and report nothing.
        Assert.Equal(4, schedule.Due(4, Interval, isRestartable: true));
        schedule.Flushed(4);
        Assert.Equal((4, null), (schedule.Safe, schedule.Due(4, Interval, isRestartable: true)));
    }

    [Fact]
    public void Records_that_the_next_coordinator_could_not_understand_are_not_called_safe()
    {
        var schedule = new FlushSchedule(entered: 0);
        Assert.Null(schedule.Due(9, Interval, isRestartable: false));
        Assert.Equal(9, schedule.Due(9, Interval, isRestartable: true));
    }
}
