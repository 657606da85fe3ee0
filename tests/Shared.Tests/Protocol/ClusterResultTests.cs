using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>How the coordinator collects and saves the result of a job.</summary>
public sealed class ClusterResultTests
{
    [Fact]
    public void The_coordinator_collects_the_state_when_all_workers_have_applied_all_rounds()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        Assert.Empty(cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 2)));
        Assert.Equal([new ClusterEffect.Collect("a", 1)], cluster.Tell(new ClusterEvent.Reached("b", 3)));
        cluster.Tell(new ClusterEvent.Registered("late"));
        Assert.Equal(
            [new ClusterEffect.Refuse("late", RefusalCause.JobDone, "the job is done")],
            cluster.Tell(new ClusterEvent.Prepared("late", ToldCluster.Facts)));
        Assert.Equal(
            [new ClusterEffect.Announce("a is lost: it died", "a"), new ClusterEffect.Collect("b", 1)],
            cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        Assert.Equal([new ClusterEffect.Save()], cluster.Tell(new ClusterEvent.Collected()));
        // The coordinator has the state; writing it may take any time.
        Assert.Empty(cluster.Tell(new ClusterEvent.Overdue("nothing was heard"), new ClusterEvent.Collected()));
        cluster.Tell(new ClusterEvent.Registered("later"));
        Assert.Equal(
            [new ClusterEffect.Refuse("later", RefusalCause.JobDone, "the job is done")],
            cluster.Tell(new ClusterEvent.Prepared("later", ToldCluster.Facts)));
        Assert.Equal([new ClusterEffect.Announce("b is lost: it died", "b")], cluster.Tell(new ClusterEvent.Lost("b", "it died")));
        Assert.Equal([new ClusterEffect.Finish()], cluster.Tell(new ClusterEvent.Saved()));
        Assert.Equal(ClusterPhase.Finished, cluster.State.Phase);
    }

    [Fact]
    public void The_coordinator_does_not_ask_a_preparing_worker_for_the_state()
    {
        var cluster = new ToldCluster().Train("b");
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.Equal([new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Reached("b", 3)));
    }

    [Fact]
    public void A_job_whose_last_round_was_done_at_a_halt_has_no_further_plan()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"));
        Assert.Equal([new ClusterEffect.Collect("a", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 3)));
    }

    [Fact]
    public void The_job_fails_when_all_donors_are_lost_before_the_result_is_safe()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        Assert.Contains(
            new ClusterEffect.Fail(FailureCause.AllLost, "all workers were lost before the result was safe"),
            cluster.Tell(new ClusterEvent.Lost("a", "it died")));
    }

    [Fact]
    public void A_collected_state_counts_only_if_requested_and_a_saved_one_only_if_collected()
    {
        new ToldCluster().Train("a").AssertIgnores(new ClusterEvent.Collected());
        new ToldCluster().Train("a").AssertIgnores(new ClusterEvent.Saved());
        var cluster = new ToldCluster().Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        cluster.AssertIgnores(new ClusterEvent.Saved());
    }

    [Fact]
    public void The_coordinator_fetches_a_missing_result_from_another_worker()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 3));
        Assert.Equal(
            [
                new ClusterEffect.Refuse("a", RefusalCause.ResultMissing, "the result did not come: no state"),
                new ClusterEffect.Collect("b", 1),
            ],
            cluster.Tell(new ClusterEvent.Overdue("no state")));
    }
}
