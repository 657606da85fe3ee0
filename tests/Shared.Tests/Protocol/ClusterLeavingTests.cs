using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>When a worker that wants to leave may go.</summary>
public sealed class ClusterLeavingTests
{
    [Fact]
    public void A_leaving_worker_stops_with_the_others_and_is_dismissed_before_the_next_plan()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        Assert.Equal(
            [new ClusterEffect.Halt("a", 2), new ClusterEffect.Halt("b", 2)],
            cluster.Tell(new ClusterEvent.Leaving("b", "the machine is needed")));
        Assert.Equal(new GenerationStart(2, GenerationCause.Left, "b leaves: the machine is needed"), cluster.State.Generations[^1]);
        cluster.AssertIgnores(new ClusterEvent.Leaving("b", "again"));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 1));
        var effects = cluster.Tell(new ClusterEvent.Halted("a", 2, 1));
        Assert.Equal(new ClusterEffect.Dismiss("b"), effects[0]);
        Assert.Equal(["a"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
        cluster.AssertIgnores(new ClusterEvent.Lost("b", "it ended"));
    }

    [Fact]
    public void A_leaving_worker_hands_over_the_state_that_only_it_holds()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(
            new ClusterEvent.Leaving("a", "the machine is needed"),
            new ClusterEvent.Registered("b"),
            new ClusterEvent.Prepared("b", ToldCluster.Facts));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 0));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 2)));
        var effects = cluster.Tell(new ClusterEvent.Synced("b", 2, 2));
        Assert.Equal(new ClusterEffect.Dismiss("a"), effects[0]);
        Assert.Equal(["b"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
    }

    [Fact]
    public void A_leaving_worker_gets_no_state_that_it_does_not_need()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"), new ClusterEvent.Halted("a", 2, 1));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 2, 2));
        Assert.Equal(new ClusterEffect.Dismiss("a"), effects[0]);
        Assert.Equal(["b"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
    }

    [Fact]
    public void A_leaving_worker_stays_until_another_worker_holds_the_parameters()
    {
        var cluster = new ToldCluster(startWith: 2, minWorkers: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Halted("a", 2, 2));
        Assert.Equal(ClusterPhase.Gathering, cluster.State.Phase);
        var stays = new ClusterEffect.HoldBack("a");
        Assert.Equal([stays], cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));

        cluster.Tell(new ClusterEvent.Registered("c"));
        Assert.Equal(
            [new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("c", 3)],
            cluster.Tell(new ClusterEvent.Prepared("c", ToldCluster.FactsOf("c"))));
        cluster.Tell(new ClusterEvent.Halted("a", 3, 2), new ClusterEvent.Halted("c", 3, 0));
        Assert.Equal(
            [new ClusterEffect.Dismiss("a"), new ClusterEffect.Announce("1 of at least 2 workers: waiting for more")],
            cluster.Tell(new ClusterEvent.Synced("c", 3, 2)));
    }

    [Fact]
    public void The_only_worker_stays_until_a_waiting_newcomer_has_the_parameters()
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"));
        Assert.Equal(new ClusterEffect.HoldBack("a"), Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 2, 2))));

        var waiting = new ToldCluster(startWith: 3, minWorkers: 3, topology: Topology.Mesh).Train("a", "b", "c");
        waiting.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Lost("c", "it died"), new ClusterEvent.Halted("a", 3, 2));
        waiting.Tell(new ClusterEvent.Registered("d"), new ClusterEvent.Prepared("d", ToldCluster.FactsOf("d")));
        Assert.Equal(
            [new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("d", 4)],
            waiting.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));
    }

    [Fact]
    public void A_worker_that_is_not_needed_may_leave_while_the_cluster_waits()
    {
        var cluster = new ToldCluster(startWith: 3, minWorkers: 3, topology: Topology.Mesh).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Lost("c", "it died"));
        cluster.HaltAll(2, 2, "a", "b");
        Assert.Equal([new ClusterEffect.Dismiss("a")], cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));
    }

    [Fact]
    public void A_worker_that_leaves_after_the_last_round_gives_the_result()
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"));
        Assert.Equal([new ClusterEffect.Collect("a", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 3)));
    }
}
