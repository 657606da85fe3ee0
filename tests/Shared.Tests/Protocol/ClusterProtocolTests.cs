using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Single decisions of the coordinator's protocol; the simulation of a cluster tests the protocol as a whole.</summary>
public sealed class ClusterProtocolTests
{
    private static readonly Gen<string> _anyWorker = Gen.OneOfConst("a", "b", "c");

    private static readonly Gen<ClusterEvent> _anyEvent = Gen.OneOf(
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Registered(w)),
        Gen.Select(_anyWorker, Gen.OneOfConst(ToldCluster.Facts, ToldCluster.Facts with { DataFingerprint = "other" }), ClusterEvent (w, f) => new ClusterEvent.Prepared(w, f)),
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
        Assert.Equal(new ClusterEffect.Open(ToldCluster.Facts, new(7, 5, 1, 4, 2)), Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts))));
        Assert.Empty(cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts)));
        Assert.Equal([new ClusterEffect.Halt("b", 1), new ClusterEffect.Halt("c", 1)], cluster.Tell(new ClusterEvent.Prepared("c", ToldCluster.Facts)));
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
    public void Reports_of_another_generation_change_nothing() => Gen.Select(Gen.Int[-1, 5], Gen.Long[0, 3], _anyWorker).Sample((generation, applied, worker) =>
    {
        var cluster = new ToldCluster(startWith: 3).Prepare("a", "b", "c");
        var other = generation == 1 ? 0 : generation;
        cluster.AssertIgnores(new ClusterEvent.Halted(worker, other, applied), new ClusterEvent.Synced(worker, other, applied));
        cluster.AssertIgnores(new ClusterEvent.Halted("stranger", 1, 0), new ClusterEvent.Synced("stranger", 1, 0), new ClusterEvent.Lost("stranger", ""),
            new ClusterEvent.Leaving("stranger", ""), new ClusterEvent.Prepared("stranger", ToldCluster.Facts), new ClusterEvent.Reached("stranger", 1));
    });

    [Fact]
    public void Only_who_was_asked_to_stop_can_have_stopped_and_only_who_was_helped_can_have_caught_up()
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
    public void Laggards_and_newcomers_get_the_state_of_one_that_is_ahead_and_are_waited_for(Topology topology)
    {
        var cluster = new ToldCluster(startWith: 3, topology: topology).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal([.. ((string[])["a", "b", "c", "d"]).Select(w => new ClusterEffect.Halt(w, 2))], cluster.Tell(new ClusterEvent.Prepared("d", ToldCluster.FactsOf("d"))));
        cluster.Tell(new ClusterEvent.Halted("d", 2, 0), new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 2));
        Assert.Equal([new ClusterEffect.Transfer("b", "a", 2), new ClusterEffect.Transfer("b", "c", 2), new ClusterEffect.Transfer("b", "d", 2)],
            cluster.Tell(new ClusterEvent.Halted("c", 2, 1)));
        Assert.Empty(cluster.Tell(new ClusterEvent.Synced("a", 2, 2), new ClusterEvent.Synced("d", 2, 2)));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Synced("c", 2, 2))));
        Assert.Equal((2, 2, 3, topology), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound, begin.Plan.Topology));
        Assert.Equal(topology == Topology.Star ? [] : [new("a", 4711), new("b", 4711), new("c", 4711), new("d", 4711)], begin.Endpoints);
        Assert.Equal(new GenerationStart(2, GenerationCause.Joined, "d joined"), cluster.State.Generations[^1]);
    }

    [Fact]
    public void In_a_star_a_plan_needs_no_links_between_workers()
    {
        var cluster = new ToldCluster();
        cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", ToldCluster.Facts with { LinkHost = "", LinkPort = 0 }));
        Assert.Empty(Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 1, 0)))).Endpoints);
    }

    [Fact]
    public void A_mesh_does_the_last_round_again_when_all_who_applied_it_are_gone()
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 2), new ClusterEvent.Lost("a", "it died"));
        Assert.Equal(1, Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 2, 1)))).Plan.FirstRound);
        Assert.Equal((1, 1), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void When_the_last_worker_of_a_mesh_is_gone_it_matters_whether_a_round_was_applied() => Gen.Long[0, 3].Sample(applied =>
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        if (applied > 0) cluster.Tell(new ClusterEvent.Reached("a", Math.Min(applied, 2)));
        cluster.Tell(new ClusterEvent.Lost("a", "it died"));
        // Nobody is left to answer a halt: the loss itself decides.
        Assert.Equal(applied > 0 ? ClusterPhase.Failed : ClusterPhase.Gathering, cluster.State.Phase);
    });

    [Theory]
    [InlineData(Topology.Star, -1)]
    [InlineData(Topology.Star, 4)]
    [InlineData(Topology.Mesh, -1)]
    [InlineData(Topology.Mesh, 4)]
    [InlineData(Topology.Mesh, long.MaxValue)]
    public void A_worker_that_cannot_have_applied_so_much_is_turned_away_by_name(Topology topology, long applied)
    {
        var cluster = new ToldCluster(startWith: 2, topology: topology).Train("a", "b");
        cluster.Tell(new ClusterEvent.Leaving("b", "the machine is needed"));
        var effects = cluster.Tell(new ClusterEvent.Halted("a", 2, applied));
        Assert.Equal(new ClusterEffect.Refuse("a", RefusalCause.ImpossibleReport, $"it reports {applied} applied rounds; possible are 0 to 3"), effects[0]);
        Assert.Contains(new ClusterEffect.Halt("b", 3), effects);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void A_worker_that_has_not_caught_up_with_what_it_was_sent_is_turned_away_by_name(long applied)
    {
        var cluster = new ToldCluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", ToldCluster.FactsOf("b")), new ClusterEvent.Halted("a", 2, 2));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 2)], cluster.Tell(new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal(new ClusterEffect.Refuse("b", RefusalCause.ImpossibleReport, $"it reports {applied} applied rounds; possible are 2 to 2"), cluster.Tell(new ClusterEvent.Synced("b", 2, applied))[0]);
    }

    [Fact]
    public void A_loss_while_others_stop_or_catch_up_begins_anew()
    {
        var cluster = new ToldCluster(startWith: 3).Train("a", "b", "c");
        Assert.Contains(new ClusterEffect.Halt("b", 2), cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 1));
        Assert.Equal([new ClusterEffect.Announce("c is lost: it died", "c"), new ClusterEffect.Halt("b", 3)], cluster.Tell(new ClusterEvent.Lost("c", "it died")));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 3, 1))));
    }

    [Fact]
    public void Who_only_prepares_himself_comes_and_goes_unnoticed()
    {
        var cluster = new ToldCluster().Train("a");
        Assert.Empty(cluster.Tell(new ClusterEvent.Registered("b")));
        Assert.Equal([new ClusterEffect.Announce("b is lost: it died", "b")], cluster.Tell(new ClusterEvent.Lost("b", "it died")));
        cluster.Tell(new ClusterEvent.Registered("c"));
        Assert.Equal([new ClusterEffect.Dismiss("c")], cluster.Tell(new ClusterEvent.Leaving("c", "it was asked to")));
        Assert.Equal(ClusterPhase.Training, cluster.State.Phase);
    }

    [Theory]
    [MemberData(nameof(Differences), DisableDiscoveryEnumeration = true)]
    public void One_that_differs_is_turned_away_with_the_difference(WorkerFacts other, string reason)
    {
        var cluster = new ToldCluster(startWith: 2).Prepare("a");
        cluster.Tell(new ClusterEvent.Registered("b"));
        Assert.StartsWith(reason, Assert.IsType<ClusterEffect.Refuse>(Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", other)))).Reason, StringComparison.Ordinal);
        Assert.Equal(["a"], cluster.State.Members.Keys);
        Assert.Equal(ToldCluster.FactsOf("a"), cluster.State.Facts);
        cluster.Tell(new ClusterEvent.Registered("b"));
        Assert.Contains(new ClusterEffect.Halt("b", 1), cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts)));
    }

    public static TheoryData<WorkerFacts, string> Differences => new()
    {
        { ToldCluster.Facts with { DataFingerprint = "other" }, "its data differs: 7 + 5 samples with fingerprint other; the job's is 7 + 5 with data." },
        { ToldCluster.Facts with { TrainSamples = 8 }, "its data differs: 8 + 5 samples" },
        { ToldCluster.Facts with { TestSamples = 0 }, "its data differs: 7 + 0 samples" },
        { ToldCluster.Facts with { Layout = new(11, 3) }, "its model differs: 11 numbers a contribution; the job's has 10." },
        { ToldCluster.Facts with { Layout = new(10, 4) }, "its model differs" },
        { ToldCluster.Facts with { StateBytes = 9 }, "its model differs" },
        { ToldCluster.Facts with { InitialDigest = "other" }, "its initial parameters differ in their bits (other, the job's are initial)." },
        { ToldCluster.Facts with { Layout = new(-1, 3) }, "it reports impossible sizes" },
        { ToldCluster.Facts with { Layout = new(10, 0) }, "it reports impossible sizes" },
        { ToldCluster.Facts with { Layout = new(VectorLayout.MaxFloats + 1, 3) }, "it reports impossible sizes" },
        { ToldCluster.Facts with { TrainSamples = 0 }, "it reports impossible sizes" },
        { ToldCluster.Facts with { TestSamples = -1 }, "it reports impossible sizes" },
        { ToldCluster.Facts with { StateBytes = -1 }, "it reports impossible sizes" },
    };

    [Fact]
    public void A_batch_that_the_data_cannot_fill_ends_the_job()
    {
        var cluster = new ToldCluster();
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.Equal(new ClusterEffect.Fail(FailureCause.BatchTooLarge, "batch is 4, but the training set has 3 samples; allowed: 1 to 3"),
            Assert.Single(cluster.Tell(new ClusterEvent.Prepared("a", ToldCluster.Facts with { TrainSamples = 3 }))));
    }

    [Fact]
    public void A_batch_of_all_samples_has_one_step_an_epoch_whatever_their_number() => Gen.Int[1, 1000].Sample(samples =>
    {
        var rounds = (ToldCluster.Job with { Batch = null }).RoundsOf(ToldCluster.Facts with { TrainSamples = samples });
        Assert.Equal((1, samples), (rounds.StepsPerEpoch, rounds.At(0).Samples));
    });

    [Fact]
    public void Below_the_fewest_workers_the_cluster_waits_and_goes_on_with_the_next()
    {
        var cluster = new ToldCluster(startWith: 3, minWorkers: 2).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Lost("c", "it died"));
        Assert.Equal([new ClusterEffect.Announce("1 of at least 2 workers: waiting for more")], cluster.Tell(new ClusterEvent.Halted("a", 3, 1)));
        Assert.Equal(ClusterPhase.Gathering, cluster.State.Phase);
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal([new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("d", 4)], cluster.Tell(new ClusterEvent.Prepared("d", ToldCluster.Facts)));
    }

    [Fact]
    public void More_workers_than_the_first_plan_needs_are_not_needed_later()
    {
        var cluster = new ToldCluster(startWith: 2, minWorkers: 1).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 2, 0))));
    }

    [Fact]
    public void When_the_last_who_knew_the_parameters_is_gone_the_job_fails()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 2));
        Assert.Equal(new ClusterEffect.Fail(FailureCause.AllLost, "all workers are gone, and with them the parameters"), cluster.Tell(new ClusterEvent.Lost("a", "it died"))[^1]);
    }

    [Fact]
    public void Newcomers_alone_begin_from_the_start()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 2), new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", ToldCluster.Facts), new ClusterEvent.Lost("a", "it died"));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 3, 0));
        Assert.Equal(new ClusterEffect.Announce("no worker holds the parameters of round 2 any more: going back to round 0"), effects[0]);
        Assert.Equal((0, 3), (Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.FirstRound, Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.EndRound));
        Assert.Equal((0, 2), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void The_state_is_collected_when_all_have_applied_all()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        Assert.Empty(cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 2)));
        Assert.Equal([new ClusterEffect.Collect("a", 1)], cluster.Tell(new ClusterEvent.Reached("b", 3)));
        cluster.Tell(new ClusterEvent.Registered("late"));
        Assert.Equal([new ClusterEffect.Refuse("late", RefusalCause.JobDone, "the job is done")], cluster.Tell(new ClusterEvent.Prepared("late", ToldCluster.Facts)));
        Assert.Equal([new ClusterEffect.Announce("a is lost: it died", "a"), new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        Assert.Equal([new ClusterEffect.Save()], cluster.Tell(new ClusterEvent.Collected()));
        // The coordinator has the state, and writes it for as long as it takes.
        Assert.Empty(cluster.Tell(new ClusterEvent.Overdue("nothing was heard"), new ClusterEvent.Collected()));
        cluster.Tell(new ClusterEvent.Registered("later"));
        Assert.Equal([new ClusterEffect.Refuse("later", RefusalCause.JobDone, "the job is done")], cluster.Tell(new ClusterEvent.Prepared("later", ToldCluster.Facts)));
        Assert.Equal([new ClusterEffect.Announce("b is lost: it died", "b")], cluster.Tell(new ClusterEvent.Lost("b", "it died")));
        Assert.Equal([new ClusterEffect.Finish()], cluster.Tell(new ClusterEvent.Saved()));
        Assert.Equal(ClusterPhase.Finished, cluster.State.Phase);
    }

    [Fact]
    public void Who_only_prepares_himself_is_not_asked_for_the_state()
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
    public void When_all_donors_are_lost_before_the_state_is_safe_the_job_fails()
    {
        var cluster = new ToldCluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        Assert.Contains(new ClusterEffect.Fail(FailureCause.AllLost, "all workers were lost before the result was safe"), cluster.Tell(new ClusterEvent.Lost("a", "it died")));
    }

    [Fact]
    public void A_collected_state_counts_only_when_it_was_asked_for_and_a_saved_one_when_it_was_collected()
    {
        new ToldCluster().Train("a").AssertIgnores(new ClusterEvent.Collected());
        new ToldCluster().Train("a").AssertIgnores(new ClusterEvent.Saved());
        var cluster = new ToldCluster().Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        cluster.AssertIgnores(new ClusterEvent.Saved());
    }

    [Fact]
    public void After_the_end_nothing_changes_any_more() => Gen.Select(_anyEvent, Gen.Bool).Sample((happened, isDone) =>
    {
        var cluster = new ToldCluster().Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3), isDone ? new ClusterEvent.Collected() : new ClusterEvent.Lost("a", "it died"), new ClusterEvent.Saved());
        Assert.Equal(isDone ? ClusterPhase.Finished : ClusterPhase.Failed, cluster.State.Phase);
        cluster.AssertIgnores(happened);
    });

    /// <summary>What nobody sends must not break what holds for every decision.</summary>
    [Fact]
    public void Whatever_is_told_in_whatever_order_the_decisions_fit_together() => Gen.Select(_anyEvent.Array[0, 60], Gen.Enum<Topology>()).Sample((events, topology) =>
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
                        Assert.All(plan.Workers, w => Assert.Equal((MemberStatus.Active, plan.FirstRound), (cluster.State.Members[w].Status, cluster.State.Members[w].Applied)));
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
    public void Whoever_does_not_answer_is_turned_away_and_may_return()
    {
        var cluster = new ToldCluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        Assert.Equal([.. ((string[])["a", "b", "c"]).Select(w => new ClusterEffect.Halt(w, 2))], cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Empty(cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("c", 2, 1)));
        Assert.Equal(
            [new ClusterEffect.Refuse("b", RefusalCause.NoAnswer, "it did not answer: nothing was heard for 2 s"), new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("c", 3)],
            cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Equal(new GenerationStart(3, GenerationCause.Silence, "b did not answer: nothing was heard for 2 s"), cluster.State.Generations[^1]);
    }

    [Fact]
    public void A_state_that_does_not_come_is_asked_for_anew()
    {
        var cluster = new ToldCluster(startWith: 1, topology: Topology.Mesh).Train("a").Prepare("b");
        Assert.Contains(new ClusterEffect.Transfer("a", "b", 2), cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal([new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("b", 3)], cluster.Tell(new ClusterEvent.Overdue("no state")));
        Assert.Equal(new ClusterEffect.Refuse("a", RefusalCause.NoAnswer, "it did not answer: no state"),
            cluster.Tell(new ClusterEvent.Halted("b", 3, 0), new ClusterEvent.Overdue("no state"))[0]);
    }

    [Fact]
    public void A_result_that_does_not_come_is_fetched_from_another()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 3));
        Assert.Equal([new ClusterEffect.Refuse("a", RefusalCause.ResultMissing, "the result did not come: no state"), new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Overdue("no state")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whose_parameters_differ_when_all_are_at_the_same_round_is_named_and_ends_the_job(bool isNewcomer)
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Prepare("c").Tell(new ClusterEvent.Halted("c", 2, 0, new(9, 9)), new ClusterEvent.Halted("a", 2, 2, new(1, 2)));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 2, 2, isNewcomer ? new(1, 2) : new(1, 3)));
        Assert.Equal([new ClusterEffect.Transfer("a", "c", 2)], effects);
        effects = cluster.Tell(new ClusterEvent.Synced("c", 2, 2, isNewcomer ? new(1, 3) : new(1, 2)));
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.Mismatch, $"{(isNewcomer ? "c" : "b")}: after 2 rounds its parameters (00000000000000010000000000000003) differ from those of a (00000000000000010000000000000002)")],
            effects);
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }
}
