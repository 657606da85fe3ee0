using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>What the coordinator does if records of rounds are missing or contradictory.</summary>
public sealed class ClusterRecordsTests
{
    [Fact]
    public void The_coordinator_refuses_a_worker_whose_reports_leave_a_gap_but_lets_it_return()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        var refused = new ClusterEffect.Refuse("a", RefusalCause.ReportsMissing, "round 1 is missing");
        Assert.Equal(
            [refused, new ClusterEffect.Halt("b", 2)],
            cluster.Tell(new ClusterEvent.ReportsMissing("a", "round 1 is missing")));
        Assert.True(refused.MayReturn);
        Assert.Equal(["b"], cluster.State.Members.Keys);
        cluster.AssertIgnores(new ClusterEvent.ReportsMissing("a", "round 1 is missing"));
    }

    [Fact]
    public void The_coordinator_refuses_a_halted_worker_with_unreported_rounds_but_lets_it_return()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Overdue("nothing was heard"));
        var refused = new ClusterEffect.Refuse(
            "a",
            RefusalCause.Unreported,
            "it holds 2 rounds, but 1 of 3 are reported, and it has no reports of the others: the worker that had them is gone");
        Assert.Equal(
            [refused, new ClusterEffect.Halt("b", 3)],
            cluster.Tell(new ClusterEvent.Halted("a", 2, 2, Recorded: 1)));
        Assert.True(refused.MayReturn);
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 3, 1, Recorded: 1))));
        Assert.Equal(1, begin.Plan.FirstRound);
    }

    [Fact]
    public void The_job_fails_if_a_report_contradicts_the_records()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.Records, "a reports another loss of round 1")],
            cluster.Tell(new ClusterEvent.RecordsContradicted("a reports another loss of round 1")));
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }

    [Fact]
    public void The_job_fails_if_the_result_arrives_but_records_are_missing()
    {
        var cluster = new ToldCluster().Train("a");
        cluster.AssertIgnores(new ClusterEvent.Collected("step 2 is missing"));
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.Records, "step 2 is missing")],
            cluster.Tell(new ClusterEvent.Collected("step 2 is missing")));
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }
}
