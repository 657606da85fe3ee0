using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Single decisions of the coordinator's protocol; the simulation of a cluster tests the protocol as a whole.</summary>
public sealed class ClusterProtocolTests
{
    private static readonly Gen<string> _anyWorker = Gen.OneOfConst("a", "b", "c");

    private static readonly Gen<ClusterEvent> _anyEvent = Gen.OneOf(
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Registered(w)),
        Gen.Select(
            _anyWorker,
            Gen.OneOfConst(ToldCluster.Facts, ToldCluster.Facts with { DataFingerprint = "other" }),
            ClusterEvent (w, f) => new ClusterEvent.Prepared(w, f)),
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Lost(w, "it died")),
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Leaving(w, "it was asked to")),
        Gen.Select(_anyWorker, Gen.Int[0, 6], Gen.Long[0, 3], ClusterEvent (w, g, n) => new ClusterEvent.Halted(w, g, n)),
        Gen.Select(_anyWorker, Gen.Int[0, 6], Gen.Long[0, 3], ClusterEvent (w, g, n) => new ClusterEvent.Synced(w, g, n)),
        Gen.Select(_anyWorker, Gen.Long[0, 3], ClusterEvent (w, n) => new ClusterEvent.Reached(w, n)),
        Gen.Select(_anyWorker, Gen.Int[0, 6], _anyWorker, ClusterEvent (w, g, p) => new ClusterEvent.PeerLost(w, g, p, "it broke")),
        Gen.OneOfConst<ClusterEvent>(new ClusterEvent.Collected(), new ClusterEvent.Saved()));

    [Fact]
    public void Nothing_happens_before_enough_workers_are_prepared()
    {
        var cluster = new ToldCluster(startWith: 2);
        Assert.Empty(cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Registered("b"), new ClusterEvent.Registered("c")));
        Assert.Equal(
            new ClusterEffect.Open(ToldCluster.Facts, new(7, 5, 1, 4, 2)),
            Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts))));
        Assert.Empty(cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts)));
        Assert.Equal(
            [new ClusterEffect.Halt("b", 1), new ClusterEffect.Halt("c", 1)],
            cluster.Tell(new ClusterEvent.Prepared("c", ToldCluster.Facts)));
        Assert.Equal(new GenerationStart(1, GenerationCause.Start, "start"), Assert.Single(cluster.State.Generations));
    }

    [Fact]
    public void A_plan_begins_when_all_workers_have_stopped() => Gen.Shuffle((string[])["a", "b", "c"]).Sample(workers =>
    {
        var cluster = new ToldCluster(startWith: 3).Prepare("a", "b", "c");
        ClusterEvent[] stops = [.. workers.Select(w => new ClusterEvent.Halted(w, 1, 0))];
        Assert.Empty(cluster.Tell(stops[..^1]));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(stops[^1])));
        Assert.Equal((1, 0, 3), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound));
        Assert.Equal(["a", "b", "c"], begin.Plan.Workers);
    });

    [Fact]
    public void Reports_of_another_generation_change_nothing() =>
        Gen.Select(Gen.Int[-1, 5], Gen.Long[0, 3], _anyWorker).Sample((generation, applied, worker) =>
        {
            var cluster = new ToldCluster(startWith: 3).Prepare("a", "b", "c");
            var other = generation == 1 ? 0 : generation;
            cluster.AssertIgnores(new ClusterEvent.Halted(worker, other, applied), new ClusterEvent.Synced(worker, other, applied));
            cluster.AssertIgnores(
                new ClusterEvent.Halted("stranger", 1, 0),
                new ClusterEvent.Synced("stranger", 1, 0),
                new ClusterEvent.Lost("stranger", ""),
                new ClusterEvent.Leaving("stranger", ""),
                new ClusterEvent.Prepared("stranger", ToldCluster.Facts),
                new ClusterEvent.Reached("stranger", 1));
        });

    [Fact]
    public void The_coordinator_ignores_answers_that_it_did_not_ask_for()
    {
        var cluster = new ToldCluster(startWith: 2).Prepare("a", "b");
        cluster.AssertIgnores(new ClusterEvent.Synced("a", 1, 0));
        cluster.Tell(new ClusterEvent.Halted("a", 1, 0));
        cluster.AssertIgnores(new ClusterEvent.Halted("a", 1, 1), new ClusterEvent.Synced("a", 1, 1));
        cluster.Tell(new ClusterEvent.Halted("b", 1, 0));
        cluster.AssertIgnores(new ClusterEvent.Halted("a", 1, 1), new ClusterEvent.Synced("b", 1, 1));
    }

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void A_plan_begins_after_workers_behind_and_newcomers_have_the_state_of_a_worker_ahead(Topology topology)
    {
        var cluster = new ToldCluster(startWith: 3, topology: topology).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal(
            [.. ((string[])["a", "b", "c", "d"]).Select(w => new ClusterEffect.Halt(w, 2))],
            cluster.Tell(new ClusterEvent.Prepared("d", ToldCluster.FactsOf("d"))));
        cluster.Tell(new ClusterEvent.Halted("d", 2, 0), new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 2));
        Assert.Equal(
            [new ClusterEffect.Transfer("b", "a", 2), new ClusterEffect.Transfer("b", "c", 2), new ClusterEffect.Transfer("b", "d", 2)],
            cluster.Tell(new ClusterEvent.Halted("c", 2, 1)));
        Assert.Empty(cluster.Tell(new ClusterEvent.Synced("a", 2, 2), new ClusterEvent.Synced("d", 2, 2)));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Synced("c", 2, 2))));
        Assert.Equal((2, 2, 3, topology), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound, begin.Plan.Topology));
        Assert.Equal(topology == Topology.Star ? [] : [new("a", 4711), new("b", 4711), new("c", 4711), new("d", 4711)], begin.Endpoints);
        Assert.Equal(new GenerationStart(2, GenerationCause.Joined, "d joined"), cluster.State.Generations[^1]);
    }

    [Fact]
    public void A_mesh_redoes_the_last_round_when_all_workers_that_applied_it_are_gone()
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 2), new ClusterEvent.Lost("a", "it died"));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 2, 1))));
        Assert.Equal(1, begin.Plan.FirstRound);
        Assert.Equal((1, 1), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void A_mesh_without_workers_fails_only_if_a_round_was_applied() => Gen.Long[0, 3].Sample(applied =>
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        if (applied > 0) cluster.Tell(new ClusterEvent.Reached("a", Math.Min(applied, 2)));
        cluster.Tell(new ClusterEvent.Lost("a", "it died"));
        // No worker is left to answer a halt: the loss itself decides.
        Assert.Equal(applied > 0 ? ClusterPhase.Failed : ClusterPhase.Gathering, cluster.State.Phase);
    });

    [Theory]
    [InlineData(Topology.Star, -1)]
    [InlineData(Topology.Star, 4)]
    [InlineData(Topology.Mesh, -1)]
    [InlineData(Topology.Mesh, 4)]
    [InlineData(Topology.Mesh, long.MaxValue)]
    public void The_coordinator_refuses_a_worker_that_reports_an_impossible_number_of_rounds(Topology topology, long applied)
    {
        var cluster = new ToldCluster(startWith: 2, topology: topology).Train("a", "b");
        cluster.Tell(new ClusterEvent.Leaving("b", "the machine is needed"));
        var effects = cluster.Tell(new ClusterEvent.Halted("a", 2, applied));
        Assert.Equal(
            new ClusterEffect.Refuse("a", RefusalCause.ImpossibleReport, $"it reports {applied} applied rounds; possible are 0 to 3"),
            effects[0]);
        Assert.Contains(new ClusterEffect.Halt("b", 3), effects);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void The_coordinator_refuses_a_worker_that_does_not_hold_the_state_that_it_was_sent(long applied)
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(
            new ClusterEvent.Registered("b"),
            new ClusterEvent.Prepared("b", ToldCluster.FactsOf("b")),
            new ClusterEvent.Halted("a", 2, 2));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 2)], cluster.Tell(new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal(
            new ClusterEffect.Refuse("b", RefusalCause.ImpossibleReport, $"it reports {applied} applied rounds; possible are 2 to 2"),
            cluster.Tell(new ClusterEvent.Synced("b", 2, applied))[0]);
    }

    [Fact]
    public void A_loss_while_others_stop_or_catch_up_starts_another_generation()
    {
        var cluster = new ToldCluster(startWith: 3).Train("a", "b", "c");
        Assert.Contains(new ClusterEffect.Halt("b", 2), cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 1));
        Assert.Equal(
            [new ClusterEffect.Announce("c is lost: it died", "c"), new ClusterEffect.Halt("b", 3)],
            cluster.Tell(new ClusterEvent.Lost("c", "it died")));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 3, 1))));
    }

    [Fact]
    public void With_too_few_workers_the_cluster_waits_for_the_next_one()
    {
        var cluster = new ToldCluster(startWith: 3, minWorkers: 2).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Lost("c", "it died"));
        Assert.Equal(
            [new ClusterEffect.Announce("1 of at least 2 workers: waiting for more")],
            cluster.Tell(new ClusterEvent.Halted("a", 3, 1)));
        Assert.Equal(ClusterPhase.Gathering, cluster.State.Phase);
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal(
            [new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("d", 4)],
            cluster.Tell(new ClusterEvent.Prepared("d", ToldCluster.Facts)));
    }

    [Fact]
    public void Later_plans_need_fewer_workers_than_the_first()
    {
        var cluster = new ToldCluster(startWith: 2, minWorkers: 1).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 2, 0))));
    }

    [Fact]
    public void The_job_fails_when_the_last_worker_with_the_parameters_is_gone()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 2));
        Assert.Equal(
            new ClusterEffect.Fail(FailureCause.AllLost, "all workers are gone, and with them the parameters"),
            cluster.Tell(new ClusterEvent.Lost("a", "it died"))[^1]);
    }

    [Fact]
    public void Newcomers_without_the_parameters_begin_from_the_start()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(
            new ClusterEvent.Reached("a", 2),
            new ClusterEvent.Registered("b"),
            new ClusterEvent.Prepared("b", ToldCluster.Facts),
            new ClusterEvent.Lost("a", "it died"));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 3, 0));
        Assert.Equal(
            new ClusterEffect.Announce("no worker holds the parameters of round 2 any more: going back to round 0"),
            effects[0]);
        var begin = Assert.IsType<ClusterEffect.Begin>(effects[1]);
        Assert.Equal((0, 3), (begin.Plan.FirstRound, begin.Plan.EndRound));
        Assert.Equal((0, 2), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void After_the_end_no_event_changes_anything() => Gen.Select(_anyEvent, Gen.Bool).Sample((happened, isDone) =>
    {
        var cluster = new ToldCluster().Train("a");
        cluster.Tell(
            new ClusterEvent.Reached("a", 3),
            isDone ? new ClusterEvent.Collected() : new ClusterEvent.Lost("a", "it died"),
            new ClusterEvent.Saved());
        Assert.Equal(isDone ? ClusterPhase.Finished : ClusterPhase.Failed, cluster.State.Phase);
        cluster.AssertIgnores(happened);
    });

    /// <summary>Impossible events must not break the invariants of the decisions either.</summary>
    [Fact]
    public void Decisions_are_consistent_for_any_events_in_any_order() =>
        Gen.Select(_anyEvent.Array[0, 60], Gen.Enum<Topology>()).Sample((events, topology) =>
        {
            var cluster = new ToldCluster(startWith: 2, topology: topology);
            var generation = 0;
            foreach (var happened in events)
            {
                var effects = cluster.Tell(happened);
                Assert.InRange(cluster.State.Generation, generation, generation + 1);
                generation = cluster.State.Generation;
                foreach (var effect in effects)
                {
                    switch (effect)
                    {
                        case ClusterEffect.Begin { Plan: var plan }:
                            Assert.Equal((generation, 3), (plan.Generation, plan.EndRound));
                            Assert.InRange(plan.FirstRound, 0, 2);
                            Assert.All(plan.Workers.Select(w => cluster.State.Members[w]), member =>
                                Assert.Equal((MemberStatus.Active, plan.FirstRound), (member.Status, member.Applied)));
                            break;
                        case ClusterEffect.Transfer transfer:
                            Assert.True(cluster.State.Members[transfer.Donor].Applied > cluster.State.Members[transfer.Receiver].Applied);
                            break;
                        case ClusterEffect.Fail:
                            Assert.Equal(effects[^1], effect);
                            break;
                    }
                }
                Assert.Equal(generation, cluster.State.Generations.Count);
                Assert.Equal(generation, cluster.State.Generation);
            }
        });

    [Fact]
    public void The_coordinator_refuses_a_silent_worker_and_continues_with_the_others()
    {
        var cluster = new ToldCluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        Assert.Equal(
            [.. ((string[])["a", "b", "c"]).Select(w => new ClusterEffect.Halt(w, 2))],
            cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Empty(cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("c", 2, 1)));
        Assert.Equal(
            [
                new ClusterEffect.Refuse("b", RefusalCause.NoAnswer, "it did not answer: nothing was heard for 2 s"),
                new ClusterEffect.Halt("a", 3),
                new ClusterEffect.Halt("c", 3),
            ],
            cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Equal(
            new GenerationStart(3, GenerationCause.Silence, "b did not answer: nothing was heard for 2 s"),
            cluster.State.Generations[^1]);
    }

    [Fact]
    public void The_coordinator_asks_again_for_a_state_that_does_not_arrive()
    {
        var cluster = new ToldCluster(startWith: 1, topology: Topology.Mesh).Train("a").Prepare("b");
        Assert.Contains(
            new ClusterEffect.Transfer("a", "b", 2),
            cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal([new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("b", 3)], cluster.Tell(new ClusterEvent.Overdue("no state")));
        Assert.Equal(new ClusterEffect.Refuse("a", RefusalCause.NoAnswer, "it did not answer: no state"),
            cluster.Tell(new ClusterEvent.Halted("b", 3, 0), new ClusterEvent.Overdue("no state"))[0]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_worker_whose_parameters_differ_after_the_same_round_is_named_and_ends_the_job(bool isNewcomer)
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Prepare("c").Tell(new ClusterEvent.Halted("c", 2, 0, new(9, 9)), new ClusterEvent.Halted("a", 2, 2, new(1, 2)));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 2, 2, isNewcomer ? new(1, 2) : new(1, 3)));
        Assert.Equal([new ClusterEffect.Transfer("a", "c", 2)], effects);
        effects = cluster.Tell(new ClusterEvent.Synced("c", 2, 2, isNewcomer ? new(1, 3) : new(1, 2)));
        Assert.Equal(
            [
                new ClusterEffect.Fail(
                    FailureCause.Mismatch,
                    $"{(isNewcomer ? "c" : "b")}: after 2 rounds its parameters (00000000000000010000000000000003) "
                    + "differ from those of a (00000000000000010000000000000002)"),
            ],
            effects);
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }
}
