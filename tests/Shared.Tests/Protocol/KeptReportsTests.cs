using Distributed.Hosting.Messages;

namespace Distributed.Shared.Tests.Protocol;

public sealed class KeptReportsTests
{
    private static readonly int _bytes = MessageBounds.ReportBytes(3);

    [Fact]
    public void Reports_that_are_not_durable_can_be_repeated_and_are_bounded()
    {
        var kept = new KeptReports(3 * _bytes);
        Assert.Equal(0, kept.From);
        kept.Keep(Reports(0, 2));
        Assert.True(kept.MayApply);
        kept.Keep(Reports(2, 3));
        Assert.False(kept.MayApply);
        Assert.Equal([1, 2], kept.Since(1).Select(report => report.Round));
        kept.Forget(2);
        Assert.True(kept.MayApply);
        Assert.Equal(2, kept.From);
        kept.Forget(9);
        Assert.Equal((9, true), (kept.From, kept.MayApply));
    }

    [Fact]
    public void Durable_reports_of_repeated_rounds_take_no_room()
    {
        var kept = new KeptReports(2 * _bytes);
        kept.Forget(5);
        // It must not promise reports that it will not keep.
        Assert.Equal(5, kept.From);
        kept.Keep(Reports(0, 4));
        Assert.Equal((5, true), (kept.From, kept.MayApply));
        kept.Keep(Reports(4, 7));
        Assert.Equal((5, false), (kept.From, kept.MayApply));
    }

    [Theory]
    [InlineData(7)]
    [InlineData(1)]
    public void A_worker_does_not_report_rounds_that_others_have_computed(long applied)
    {
        var kept = new KeptReports(2 * _bytes);
        kept.Keep(Reports(0, 3));
        kept.Follow(3);
        Assert.Equal(0, kept.From);
        kept.Follow(applied);
        Assert.Equal((applied, true), (kept.From, kept.MayApply));
        kept.Keep(Reports(applied, applied + 1));
        Assert.Equal(applied, Assert.Single(kept.Since(0)).Round);
    }

    private static IEnumerable<RoundReport> Reports(long from, long to)
    {
        for (var round = from; round < to; round++) yield return new(round, default, [1, 2, 3], 0, 0, 0, default);
    }
}
