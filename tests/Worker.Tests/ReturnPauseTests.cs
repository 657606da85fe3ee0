using Distributed.Worker.Commands;

namespace Distributed.Worker.Tests;

public sealed class ReturnPauseTests
{
    private static readonly int[] _seconds = [0, 1, 2, 4, 8, 16, 32, 60, 60];

    [Fact]
    public void A_worker_that_does_not_stay_waits_longer_each_time()
    {
        var pause = new ReturnPause();
        foreach (var seconds in _seconds)
            Assert.Equal(TimeSpan.FromSeconds(seconds), pause.After(ReturnPause.Stay - TimeSpan.FromTicks(1)));
    }

    [Fact]
    public void A_worker_that_has_stayed_returns_at_once()
    {
        var pause = new ReturnPause();
        for (var i = 0; i < 5; i++) pause.After(TimeSpan.Zero);
        Assert.Equal(TimeSpan.Zero, pause.After(ReturnPause.Stay));
        Assert.Equal(TimeSpan.FromSeconds(1), pause.After(TimeSpan.Zero));
    }
}
