using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>How a restarted coordinator continues, and one that has lost all workers.</summary>
public sealed class ClusterRestartTests
{
    [Fact]
    public void A_restarted_coordinator_waits_for_the_workers_of_its_last_plan()
    {
        var cluster = new ToldCluster(startWith: 1, topology: Topology.Mesh) { State = ToldCluster.Resumed(Topology.Mesh, "a", "b") };
        foreach (var worker in (string[])["a", "c"])
        {
            Assert.Empty(cluster.Tell(
                new ClusterEvent.Registered(worker),
                new ClusterEvent.Prepared(worker, ToldCluster.FactsOf(worker), worker == "c" ? default : new(4, 2))));
        }
        Assert.Equal([new ClusterEffect.Halt("a", 5), new ClusterEffect.Halt("b", 5), new ClusterEffect.Halt("c", 5)],
            cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", ToldCluster.FactsOf("b"), new(4, 1))));
        // A mesh has continued training meanwhile.
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 5), new ClusterEffect.Transfer("a", "c", 5)],
            cluster.Tell(new ClusterEvent.Halted("a", 5, 3), new ClusterEvent.Halted("b", 5, 2), new ClusterEvent.Halted("c", 5, 0))
                .Where(e => e is ClusterEffect.Transfer));
    }

    [Fact]
    public void A_worker_that_does_not_return_is_not_awaited_forever()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Star, "a", "b") };
        Assert.Empty(cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", ToldCluster.Facts, new(4, 2))));
        Assert.Equal([new ClusterEffect.Halt("a", 5)], cluster.Tell(new ClusterEvent.ReturnOver()));
        var begin = Assert.IsType<ClusterEffect.Begin>(cluster.Tell(new ClusterEvent.Halted("a", 5, 2))[^1]);
        Assert.Equal((5, 2), (begin.Plan.Generation, begin.Plan.FirstRound));
        cluster.AssertIgnores(new ClusterEvent.ReturnOver());
    }

    [Theory]
    [InlineData(true, 3, true)]
    [InlineData(true, 1, true)]
    [InlineData(false, 1, false)]
    [InlineData(false, 2, true)]
    [InlineData(true, 0, false)]
    [InlineData(true, int.MaxValue, false)]
    public void A_worker_with_another_history_is_not_adopted(bool isExact, int generation, bool canBeAdopted)
    {
        var resumed = ToldCluster.Resumed(Topology.Mesh) with { Job = ToldCluster.Job with { IsExact = isExact }, PlanGeneration = 2 };
        var cluster = new ToldCluster { State = resumed };
        Assert.Equal(canBeAdopted, cluster.State.CanAdopt(new(generation, 1)));
        cluster.Tell(new ClusterEvent.Registered("x"));
        var effects = cluster.Tell(new ClusterEvent.Prepared("x", ToldCluster.FactsOf("x"), new(generation, 1)));
        if (generation != 0) Assert.Equal(canBeAdopted, effects is not [ClusterEffect.Refuse { MayReturn: true }]);
    }

    [Fact]
    public void An_open_cluster_survives_the_loss_of_all_workers()
    {
        var cluster = new ToldCluster
        {
            State = new() { Job = ToldCluster.Job, Topology = Topology.Mesh, StartWith = 1, MinWorkers = 1, IsOpen = true },
        };
        cluster.Prepare("a").Tell(new ClusterEvent.Halted("a", 1, 0), new ClusterEvent.Reached("a", 2));
        Assert.Equal(
            [
                new ClusterEffect.Announce("a is lost: it died", "a"),
                new ClusterEffect.Announce(
                    "all workers are gone: waiting for at least 1; training then begins again from the start, "
                    + "since there is no checkpoint"),
            ],
            cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        cluster.Prepare("b");
        var begin = cluster.Tell(new ClusterEvent.Halted("b", cluster.State.Generation, 0))[^1];
        Assert.Equal(0, Assert.IsType<ClusterEffect.Begin>(begin).Plan.FirstRound);
        Assert.Equal(2, cluster.State.StepsRedone);
    }

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void Without_a_worker_that_holds_more_training_continues_from_the_stored_state(Topology topology)
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(topology) with { Stored = new(2, new(7, 7)), Reached = 3 } };
        cluster.Prepare("a", "b");
        var generation = cluster.State.Generation;
        var effects = cluster.HaltAll(generation, 0, "a", "b");
        Assert.Equal(
            [new ClusterEffect.Load("a", generation, new(2, new(7, 7))), new ClusterEffect.Load("b", generation, new(2, new(7, 7)))],
            effects);
        cluster.Tell(new ClusterEvent.Synced("a", generation, 2, new(7, 7)));
        effects = cluster.Tell(new ClusterEvent.Synced("b", generation, 2, new(7, 7)));
        Assert.Equal(2, Assert.IsType<ClusterEffect.Begin>(effects[^1]).Plan.FirstRound);
    }

    [Fact]
    public void A_stored_state_is_not_loaded_if_a_worker_holds_as_much()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", ToldCluster.FactsOf("a"), new(4, 2)));
        cluster.Prepare("b");
        var generation = cluster.State.Generation;
        cluster.Tell(new ClusterEvent.Halted("a", generation, 2, new(7, 7)));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", generation)], cluster.Tell(new ClusterEvent.Halted("b", generation, 0)));
    }

    [Fact]
    public void A_worker_whose_parameters_differ_from_the_stored_ones_is_named()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a");
        cluster.Tell(new ClusterEvent.Halted("a", 5, 0));
        Assert.Equal(
            [
                new ClusterEffect.Fail(
                    FailureCause.Mismatch,
                    "a: after 2 rounds its parameters (00000000000000070000000000000008) differ from those of the checkpoint "
                    + "(00000000000000070000000000000007)"),
            ],
            cluster.Tell(new ClusterEvent.Synced("a", 5, 2, new(7, 8))));
    }

    [Fact]
    public void A_worker_that_got_the_stored_state_under_a_superseded_generation_keeps_its_place()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Star) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a", "b");
        var generation = cluster.State.Generation;
        Assert.Contains(new ClusterEffect.Load("a", generation, new(2, new(7, 7))), cluster.HaltAll(generation, 0, "a", "b"));
        cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s"));
        cluster.Tell(new ClusterEvent.Synced("a", generation, 2, new(7, 7)));
        Assert.Empty(cluster.Tell(new ClusterEvent.Halted("a", generation + 1, 2, new(7, 7))));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", generation + 1)], cluster.Tell(new ClusterEvent.Halted("b", generation + 1, 0)));
    }

    [Fact]
    public void In_an_inexact_job_the_stored_state_may_be_of_repeated_rounds()
    {
        var resumed = ToldCluster.Resumed(Topology.Mesh);
        var cluster = new ToldCluster { State = resumed with { Job = resumed.Job with { IsExact = false }, Stored = new(2, new(7, 7)) } };
        cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", ToldCluster.FactsOf("a"), new(4, 2)));
        var begin = cluster.Tell(new ClusterEvent.Halted("a", cluster.State.Generation, 2, new(7, 8)))[^1];
        Assert.Equal(2, Assert.IsType<ClusterEffect.Begin>(begin).Plan.FirstRound);
    }

    [Fact]
    public void If_the_stored_state_is_unreadable_the_one_before_it_is_loaded()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a");
        cluster.Tell(new ClusterEvent.Halted("a", 5, 0));
        Assert.Equal(
            [new ClusterEffect.Halt("a", 6)],
            cluster.Tell(new ClusterEvent.Damaged(cluster.State.Generation, new(1, new(6, 6)), "it is cut short")));
        Assert.Equal([new ClusterEffect.Load("a", 6, new(1, new(6, 6)))], cluster.Tell(new ClusterEvent.Halted("a", 6, 0)));
        cluster.Tell(new ClusterEvent.Damaged(cluster.State.Generation, null, "it is cut short"));
        Assert.Equal(0, Assert.IsType<ClusterEffect.Begin>(cluster.Tell(new ClusterEvent.Halted("a", 7, 0))[^1]).Plan.FirstRound);
    }

    [Fact]
    public void The_coordinator_ignores_a_damaged_checkpoint_of_an_older_generation()
    {
        var cluster = new ToldCluster { State = ToldCluster.Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a");
        Assert.Equal(
            [new ClusterEffect.Load("a", 5, new(2, new(7, 7)))],
            cluster.Tell(new ClusterEvent.Halted("a", 5, 0)));
        cluster.AssertIgnores(new ClusterEvent.Damaged(4, new(1, new(6, 6)), "it is cut short"));
        Assert.Equal(new StoredState(2, new(7, 7)), cluster.State.Stored);
    }
}
