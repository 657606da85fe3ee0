using Distributed.Shared.Kernel;
using Distributed.Shared.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Single decisions of the coordinator's protocol; <see cref="ClusterSimulationTests"/> has the protocol as a whole.</summary>
public sealed class ClusterProtocolTests
{
    /// <summary>Two steps and an evaluation.</summary>
    private static readonly JobShape _job = new(Epochs: 1, Batch: 4, MicroBatches: 2);
    private static readonly WorkerFacts _facts = new("data", 7, 5, new(10, 3), 8, "initial", "host", 4711);
    private static WorkerFacts FactsOf(string worker) => _facts with { LinkHost = worker };

    private static readonly Gen<string> _anyWorker = Gen.OneOfConst("a", "b", "c");

    private static readonly Gen<ClusterEvent> _anyEvent = Gen.OneOf(
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Registered(w)),
        Gen.Select(_anyWorker, Gen.OneOfConst(_facts, _facts with { DataFingerprint = "other" }), ClusterEvent (w, f) => new ClusterEvent.Prepared(w, f)),
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Lost(w, "it died")),
        _anyWorker.Select(ClusterEvent (w) => new ClusterEvent.Leaving(w, "it was asked to")),
        Gen.Select(Gen.Int[0, 6], Gen.Long[0, 3], ClusterEvent (g, n) => new ClusterEvent.Fenced(g, n)),
        Gen.Select(_anyWorker, Gen.Int[0, 6], Gen.Long[0, 3], ClusterEvent (w, g, n) => new ClusterEvent.Halted(w, g, n)),
        Gen.Select(_anyWorker, Gen.Int[0, 6], Gen.Long[0, 3], ClusterEvent (w, g, n) => new ClusterEvent.Synced(w, g, n)),
        Gen.Select(_anyWorker, Gen.Long[0, 3], ClusterEvent (w, n) => new ClusterEvent.Reached(w, n)),
        Gen.Select(_anyWorker, Gen.Int[0, 6], _anyWorker, ClusterEvent (w, g, p) => new ClusterEvent.PeerLost(w, g, p, "it broke")),
        Gen.Const<ClusterEvent>(new ClusterEvent.Collected()));

    [Fact]
    public void Nothing_happens_before_enough_workers_are_prepared()
    {
        var cluster = new Cluster(startWith: 2);
        Assert.Empty(cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Registered("b"), new ClusterEvent.Registered("c")));
        Assert.Equal(new ClusterEffect.Open(_facts, new(7, 5, 1, 4, 2)), Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", _facts))));
        Assert.Empty(cluster.Tell(new ClusterEvent.Prepared("b", _facts)));
        Assert.Equal([new ClusterEffect.Fence(1), new ClusterEffect.Halt("b", 1), new ClusterEffect.Halt("c", 1)], cluster.Tell(new ClusterEvent.Prepared("c", _facts)));
        Assert.Equal(new GenerationStart(1, GenerationCause.Start, "start"), Assert.Single(cluster.State.Generations));
    }

    [Fact]
    public void A_plan_begins_when_the_reducer_and_all_workers_have_stopped() => Gen.Shuffle(Enumerable.Range(0, 4).ToArray()).Sample(order =>
    {
        var cluster = new Cluster(startWith: 3).Prepare("a", "b", "c");
        ClusterEvent[] stops = [new ClusterEvent.Fenced(1, 0), .. ((string[])["a", "b", "c"]).Select(w => new ClusterEvent.Halted(w, 1, 0))];
        // The reducer is asked first and answers at once; who is still running cannot have been overlooked whatever the order.
        foreach (var i in order.Where(i => i > 0).Prepend(0).SkipLast(1)) Assert.Empty(cluster.Tell(stops[i]));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(stops[order.Last(i => i > 0)])));
        Assert.Equal((1, 0, 3), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound));
        Assert.Equal(["a", "b", "c"], begin.Plan.Workers);
    });

    [Fact]
    public void Reports_of_another_generation_change_nothing() => Gen.Select(Gen.Int[-1, 5], Gen.Long[0, 3], _anyWorker).Sample((generation, applied, worker) =>
    {
        var cluster = new Cluster(startWith: 3).Prepare("a", "b", "c");
        var other = generation == 1 ? 0 : generation;
        cluster.AssertIgnores(new ClusterEvent.Halted(worker, other, applied), new ClusterEvent.Synced(worker, other, applied), new ClusterEvent.Fenced(other, applied));
        cluster.AssertIgnores(new ClusterEvent.Halted("stranger", 1, 0), new ClusterEvent.Synced("stranger", 1, 0), new ClusterEvent.Lost("stranger", ""),
            new ClusterEvent.Leaving("stranger", ""), new ClusterEvent.Prepared("stranger", _facts), new ClusterEvent.Reached("stranger", 1));
    });

    [Fact]
    public void Only_who_was_asked_to_stop_can_have_stopped_and_only_who_was_helped_can_have_caught_up()
    {
        var cluster = new Cluster(startWith: 2).Prepare("a", "b");
        cluster.AssertIgnores(new ClusterEvent.Synced("a", 1, 0));
        cluster.Tell(new ClusterEvent.Fenced(1, 0), new ClusterEvent.Halted("a", 1, 0));
        cluster.AssertIgnores(new ClusterEvent.Halted("a", 1, 1), new ClusterEvent.Synced("a", 1, 1));
        cluster.Tell(new ClusterEvent.Halted("b", 1, 0));
        cluster.AssertIgnores(new ClusterEvent.Halted("a", 1, 1), new ClusterEvent.Synced("b", 1, 1), new ClusterEvent.Fenced(1, 0));
    }

    [Fact]
    public void A_laggard_gets_the_average_and_a_newcomer_the_state_and_both_are_waited_for()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Registered("c"), new ClusterEvent.Prepared("c", _facts), new ClusterEvent.Fenced(2, 2));
        cluster.Tell(new ClusterEvent.Halted("c", 2, 0), new ClusterEvent.Halted("a", 2, 1));
        Assert.Equal([new ClusterEffect.RepeatAverage("a", 2), new ClusterEffect.Transfer("b", "c", 2)], cluster.Tell(new ClusterEvent.Halted("b", 2, 2)));
        Assert.Empty(cluster.Tell(new ClusterEvent.Synced("c", 2, 2)));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Synced("a", 2, 2))));
        Assert.Equal((2, 2, 3), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound));
        Assert.Equal(new GenerationStart(2, GenerationCause.Joined, "c joined"), cluster.State.Generations[^1]);
    }

    [Fact]
    public void When_all_lag_one_gets_the_average_before_any_gets_a_state()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Registered("c"), new ClusterEvent.Prepared("c", _facts), new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Fenced(3, 2));
        cluster.Tell(new ClusterEvent.Halted("c", 3, 0));
        Assert.Equal([new ClusterEffect.RepeatAverage("a", 3)], cluster.Tell(new ClusterEvent.Halted("a", 3, 1)));
        Assert.Equal([new ClusterEffect.Transfer("a", "c", 3)], cluster.Tell(new ClusterEvent.Synced("a", 3, 2)));
    }

    [Fact]
    public void In_a_mesh_nobody_is_asked_how_far_the_reducer_is_and_all_who_lack_something_get_the_state()
    {
        var cluster = new Cluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal([.. ((string[])["a", "b", "c", "d"]).Select(w => new ClusterEffect.Halt(w, 2))], cluster.Tell(new ClusterEvent.Prepared("d", FactsOf("d"))));
        cluster.Tell(new ClusterEvent.Halted("d", 2, 0), new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 2));
        Assert.Equal([new ClusterEffect.Transfer("b", "a", 2), new ClusterEffect.Transfer("b", "c", 2), new ClusterEffect.Transfer("b", "d", 2)],
            cluster.Tell(new ClusterEvent.Halted("c", 2, 1)));
        cluster.Tell(new ClusterEvent.Synced("a", 2, 2), new ClusterEvent.Synced("d", 2, 2));
        var begin = Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Synced("c", 2, 2))));
        Assert.Equal((2, 2, 3, Topology.Mesh), (begin.Plan.Generation, begin.Plan.FirstRound, begin.Plan.EndRound, begin.Plan.Topology));
        Assert.Equal([new("a", 4711), new("b", 4711), new("c", 4711), new("d", 4711)], begin.Endpoints);
    }

    [Fact]
    public void In_a_star_a_plan_needs_no_links_between_workers()
    {
        var cluster = new Cluster();
        cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", _facts with { LinkHost = "", LinkPort = 0 }), new ClusterEvent.Fenced(1, 0));
        Assert.Empty(Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 1, 0)))).Endpoints);
    }

    [Theory]
    [InlineData("", 4711)]
    [InlineData("host", 0)]
    [InlineData("host", -1)]
    [InlineData("host", 65_536)]
    [InlineData(null, 4711)]
    public void In_a_mesh_a_worker_that_cannot_be_reached_is_turned_away(string? host, int port)
    {
        var cluster = new Cluster(topology: Topology.Mesh);
        cluster.Tell(new ClusterEvent.Registered("a"));
        var refused = cluster.Tell(new ClusterEvent.Prepared("a", _facts with { LinkHost = host ?? new string('x', 256), LinkPort = port }));
        Assert.StartsWith($"its links are at port {port} of a host with a name of {host?.Length ?? 256} characters",
            Assert.IsType<ClusterEffect.Refuse>(Assert.Single(refused)).Reason, StringComparison.Ordinal);
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.IsType<ClusterEffect.Open>(cluster.Tell(new ClusterEvent.Prepared("a", _facts with { LinkHost = new('x', 255), LinkPort = 65_535 }))[0]);
    }

    [Fact]
    public void A_link_that_breaks_between_two_workers_begins_anew_with_both_and_counts_once()
    {
        var cluster = new Cluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        Assert.Equal([new ClusterEffect.Halt("a", 2), new ClusterEffect.Halt("b", 2), new ClusterEffect.Halt("c", 2)],
            cluster.Tell(new ClusterEvent.PeerLost("b", 1, "a", "it was reset")));
        Assert.Equal(new GenerationStart(2, GenerationCause.Link, "the link between b and a broke: it was reset"), cluster.State.Generations[^1]);
        cluster.AssertIgnores(new ClusterEvent.PeerLost("a", 1, "b", "it was reset"), new ClusterEvent.PeerLost("a", 2, "b", "it was reset"));
    }

    [Fact]
    public void A_broken_link_of_another_generation_or_to_nobody_changes_nothing()
    {
        var cluster = new Cluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Registered("c"));
        cluster.AssertIgnores(new ClusterEvent.PeerLost("a", 0, "b", ""), new ClusterEvent.PeerLost("a", 2, "b", ""), new ClusterEvent.PeerLost("a", 1, "c", ""),
            new ClusterEvent.PeerLost("c", 1, "a", ""), new ClusterEvent.PeerLost("a", 1, "a", ""), new ClusterEvent.PeerLost("a", 1, "stranger", ""));
    }

    [Fact]
    public void A_link_that_breaks_thrice_while_no_round_is_applied_costs_the_peer_its_place()
    {
        var cluster = new Cluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        for (var generation = 1; generation < ClusterProtocol.MaxBreaks; generation++)
        {
            // Another pair's trouble is its own.
            var (worker, peer) = generation % 2 == 0 ? ("a", "b") : ("b", "a");
            Assert.DoesNotContain(cluster.Tell(new ClusterEvent.PeerLost(worker, generation, peer, "no answer")), e => e is ClusterEffect.Refuse);
            cluster.HaltAll(generation + 1, 0, "a", "b", "c");
        }
        Assert.Equal([new ClusterEffect.Refuse("b", "a cannot reach it over its link: no answer", MayReturn: true), new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("c", 4)],
            cluster.Tell(new ClusterEvent.PeerLost("a", ClusterProtocol.MaxBreaks, "b", "no answer")));
        Assert.Equal(new GenerationStart(4, GenerationCause.Refused, "b was turned away"), cluster.State.Generations[^1]);
        Assert.Equal(["a", "c"], cluster.State.Members.Keys);
    }

    [Fact]
    public void Who_comes_back_and_is_not_reached_again_is_turned_away_at_once_and_who_is_reached_stays()
    {
        var cluster = new Cluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        for (var generation = 1; generation < ClusterProtocol.MaxBreaks; generation++)
        {
            cluster.Tell(new ClusterEvent.PeerLost("a", generation, "b", "no answer"));
            cluster.HaltAll(generation + 1, 0, "a", "b", "c");
        }
        cluster.Tell(new ClusterEvent.PeerLost("a", 3, "b", "no answer"));
        cluster.HaltAll(4, 0, "a", "c");

        // The others have gone on meanwhile.
        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", FactsOf("b"), new(3, 0)));
        cluster.HaltAll(5, 1, "a", "c");
        cluster.Tell(new ClusterEvent.Halted("b", 5, 0), new ClusterEvent.Synced("b", 5, 1));
        Assert.Equal(new ClusterEffect.Refuse("b", "a cannot reach it over its link: no answer", MayReturn: true),
            cluster.Tell(new ClusterEvent.PeerLost("a", 5, "b", "no answer"))[0]);
        cluster.HaltAll(6, 1, "a", "c");

        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", FactsOf("b"), new(5, 1)));
        cluster.HaltAll(7, 1, "a", "b", "c");
        cluster.Tell(new ClusterEvent.Reached("a", 2));
        Assert.DoesNotContain(cluster.Tell(new ClusterEvent.PeerLost("a", 7, "b", "no answer")), e => e is ClusterEffect.Refuse);
    }

    [Fact]
    public void A_link_that_breaks_now_and_then_costs_nobody_its_place()
    {
        var cluster = new Cluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        for (var generation = 1; generation < 6; generation++)
        {
            Assert.DoesNotContain(cluster.Tell(new ClusterEvent.PeerLost("a", generation, "b", "no answer")), e => e is ClusterEffect.Refuse);
            cluster.HaltAll(generation + 1, generation / 2, "a", "b");
        }
    }

    [Fact]
    public void A_mesh_does_the_last_round_again_when_all_who_applied_it_are_gone()
    {
        var cluster = new Cluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 2), new ClusterEvent.Lost("a", "it died"));
        Assert.Equal(1, Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 2, 1)))).Plan.FirstRound);
        Assert.Equal((1, 1), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void When_the_last_worker_of_a_mesh_is_gone_it_matters_whether_a_round_was_applied() => Gen.Long[0, 3].Sample(applied =>
    {
        var cluster = new Cluster(topology: Topology.Mesh).Train("a");
        if (applied > 0) cluster.Tell(new ClusterEvent.Reached("a", Math.Min(applied, 2)));
        cluster.Tell(new ClusterEvent.Lost("a", "it died"));
        // Nobody is left to answer a halt: the loss itself decides.
        Assert.Equal(applied > 0 ? ClusterPhase.Failed : ClusterPhase.Gathering, cluster.State.Phase);
    });

    [Theory]
    [InlineData(Topology.Star, -1)]
    [InlineData(Topology.Star, 3)]
    [InlineData(Topology.Mesh, -1)]
    [InlineData(Topology.Mesh, 4)]
    [InlineData(Topology.Mesh, long.MaxValue)]
    public void A_worker_that_cannot_have_applied_so_much_is_turned_away_by_name(Topology topology, long applied)
    {
        var cluster = new Cluster(startWith: 2, topology: topology).Train("a", "b");
        cluster.Tell(new ClusterEvent.Leaving("b", "the machine is needed"));
        if (topology == Topology.Star) cluster.Tell(new ClusterEvent.Fenced(2, 2));
        var effects = cluster.Tell(new ClusterEvent.Halted("a", 2, applied));
        Assert.Equal(new ClusterEffect.Refuse("a", $"it reports {applied} applied rounds; possible are 0 to {(topology == Topology.Star ? 2 : 3)}"), effects[0]);
        Assert.Contains(new ClusterEffect.Halt("b", 3), effects);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void A_worker_that_has_not_caught_up_with_what_it_was_sent_is_turned_away_by_name(long applied)
    {
        var cluster = new Cluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", FactsOf("b")), new ClusterEvent.Halted("a", 2, 2));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 2)], cluster.Tell(new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal(new ClusterEffect.Refuse("b", $"it reports {applied} applied rounds; possible are 2 to 2"), cluster.Tell(new ClusterEvent.Synced("b", 2, applied))[0]);
    }

    [Fact]
    public void A_loss_while_others_stop_or_catch_up_begins_anew()
    {
        var cluster = new Cluster(startWith: 3).Train("a", "b", "c");
        Assert.Contains(new ClusterEffect.Fence(2), cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        cluster.Tell(new ClusterEvent.Fenced(2, 1), new ClusterEvent.Halted("b", 2, 1));
        Assert.Equal([new ClusterEffect.Announce("c is lost: it died", "c"), new ClusterEffect.Fence(3), new ClusterEffect.Halt("b", 3)], cluster.Tell(new ClusterEvent.Lost("c", "it died")));
        cluster.Tell(new ClusterEvent.Fenced(3, 1));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("b", 3, 1))));
    }

    [Fact]
    public void Who_only_prepares_himself_comes_and_goes_unnoticed()
    {
        var cluster = new Cluster().Train("a");
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
        var cluster = new Cluster(startWith: 2).Prepare("a");
        cluster.Tell(new ClusterEvent.Registered("b"));
        Assert.StartsWith(reason, Assert.IsType<ClusterEffect.Refuse>(Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", other)))).Reason, StringComparison.Ordinal);
        Assert.Equal(["a"], cluster.State.Members.Keys);
        Assert.Equal(FactsOf("a"), cluster.State.Facts);
        cluster.Tell(new ClusterEvent.Registered("b"));
        Assert.Contains(new ClusterEffect.Fence(1), cluster.Tell(new ClusterEvent.Prepared("b", _facts)));
    }

    public static TheoryData<WorkerFacts, string> Differences => new()
    {
        { _facts with { DataFingerprint = "other" }, "its data differs: 7 + 5 samples with fingerprint other; the job's is 7 + 5 with data." },
        { _facts with { TrainSamples = 8 }, "its data differs: 8 + 5 samples" },
        { _facts with { TestSamples = 0 }, "its data differs: 7 + 0 samples" },
        { _facts with { Layout = new(11, 3) }, "its model differs: 11 numbers a contribution; the job's has 10." },
        { _facts with { Layout = new(10, 4) }, "its model differs" },
        { _facts with { StateBytes = 9 }, "its model differs" },
        { _facts with { InitialDigest = "other" }, "its initial parameters differ in their bits (other, the job's are initial)." },
        { _facts with { Layout = new(-1, 3) }, "it reports impossible sizes" },
        { _facts with { Layout = new(10, 0) }, "it reports impossible sizes" },
        { _facts with { Layout = new(VectorLayout.MaxFloats + 1, 3) }, "it reports impossible sizes" },
        { _facts with { TrainSamples = 0 }, "it reports impossible sizes" },
        { _facts with { TestSamples = -1 }, "it reports impossible sizes" },
        { _facts with { StateBytes = -1 }, "it reports impossible sizes" },
    };

    [Fact]
    public void A_batch_that_the_data_cannot_fill_ends_the_job()
    {
        var cluster = new Cluster();
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.Equal(new ClusterEffect.Fail("batch is 4, but the training set has 3 samples; allowed: 1 to 3"),
            Assert.Single(cluster.Tell(new ClusterEvent.Prepared("a", _facts with { TrainSamples = 3 }))));
    }

    [Fact]
    public void A_batch_of_all_samples_has_one_step_an_epoch_whatever_their_number() => Gen.Int[1, 1000].Sample(samples =>
    {
        var rounds = (_job with { Batch = null }).RoundsOf(_facts with { TrainSamples = samples });
        Assert.Equal((1, samples), (rounds.StepsPerEpoch, rounds.At(0).Samples));
    });

    [Fact]
    public void Below_the_fewest_workers_the_cluster_waits_and_goes_on_with_the_next()
    {
        var cluster = new Cluster(startWith: 3, minWorkers: 2).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Lost("c", "it died"), new ClusterEvent.Fenced(3, 1));
        Assert.Equal([new ClusterEffect.Announce("1 of at least 2 workers: waiting for more")], cluster.Tell(new ClusterEvent.Halted("a", 3, 1)));
        Assert.Equal(ClusterPhase.Gathering, cluster.State.Phase);
        cluster.Tell(new ClusterEvent.Registered("d"));
        Assert.Equal([new ClusterEffect.Fence(4), new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("d", 4)], cluster.Tell(new ClusterEvent.Prepared("d", _facts)));
    }

    [Fact]
    public void More_workers_than_the_first_plan_needs_are_not_needed_later()
    {
        var cluster = new Cluster(startWith: 2, minWorkers: 1).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Fenced(2, 0));
        Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 2, 0))));
    }

    [Fact]
    public void One_who_leaves_stops_with_the_others_and_is_dismissed_before_the_next_plan()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        Assert.Equal([new ClusterEffect.Fence(2), new ClusterEffect.Halt("a", 2), new ClusterEffect.Halt("b", 2)], cluster.Tell(new ClusterEvent.Leaving("b", "the machine is needed")));
        Assert.Equal(new GenerationStart(2, GenerationCause.Left, "b leaves: the machine is needed"), cluster.State.Generations[^1]);
        cluster.AssertIgnores(new ClusterEvent.Leaving("b", "again"));
        cluster.Tell(new ClusterEvent.Fenced(2, 1), new ClusterEvent.Halted("b", 2, 1));
        var effects = cluster.Tell(new ClusterEvent.Halted("a", 2, 1));
        Assert.Equal(new ClusterEffect.Dismiss("b"), effects[0]);
        Assert.Equal(["a"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
        cluster.AssertIgnores(new ClusterEvent.Lost("b", "it ended"));
    }

    [Fact]
    public void One_who_leaves_gives_what_only_it_has_before_it_goes()
    {
        var cluster = new Cluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"), new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", _facts));
        cluster.Tell(new ClusterEvent.Fenced(2, 2), new ClusterEvent.Halted("b", 2, 0));
        Assert.Equal([new ClusterEffect.RepeatAverage("a", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 1)));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 2)], cluster.Tell(new ClusterEvent.Synced("a", 2, 2)));
        var effects = cluster.Tell(new ClusterEvent.Synced("b", 2, 2));
        Assert.Equal(new ClusterEffect.Dismiss("a"), effects[0]);
        Assert.Equal(["b"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
    }

    [Fact]
    public void One_who_leaves_is_not_helped_where_nobody_needs_it()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"), new ClusterEvent.Fenced(2, 2), new ClusterEvent.Halted("a", 2, 1));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 2, 2));
        Assert.Equal(new ClusterEffect.Dismiss("a"), effects[0]);
        Assert.Equal(["b"], Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.Workers);
    }

    [Fact]
    public void One_who_leaves_stays_until_somebody_else_holds_the_parameters()
    {
        var cluster = new Cluster(startWith: 2, minWorkers: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Halted("a", 2, 2));
        Assert.Equal(ClusterPhase.Gathering, cluster.State.Phase);
        var stays = new ClusterEffect.HoldBack("a");
        Assert.Equal([stays], cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));

        cluster.Tell(new ClusterEvent.Registered("c"));
        Assert.Equal([new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("c", 3)], cluster.Tell(new ClusterEvent.Prepared("c", FactsOf("c"))));
        cluster.Tell(new ClusterEvent.Halted("a", 3, 2), new ClusterEvent.Halted("c", 3, 0));
        Assert.Equal([new ClusterEffect.Dismiss("a"), new ClusterEffect.Announce("1 of at least 2 workers: waiting for more")], cluster.Tell(new ClusterEvent.Synced("c", 3, 2)));
    }

    [Fact]
    public void The_only_worker_that_leaves_stays_and_a_newcomer_that_waits_gets_the_parameters_first()
    {
        var cluster = new Cluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"));
        Assert.Equal(new ClusterEffect.HoldBack("a"), Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 2, 2))));

        var waiting = new Cluster(startWith: 3, minWorkers: 3, topology: Topology.Mesh).Train("a", "b", "c");
        waiting.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Lost("c", "it died"), new ClusterEvent.Halted("a", 3, 2));
        waiting.Tell(new ClusterEvent.Registered("d"), new ClusterEvent.Prepared("d", FactsOf("d")));
        Assert.Equal([new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("d", 4)], waiting.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));
    }

    [Fact]
    public void One_whom_nobody_needs_may_leave_while_the_cluster_waits()
    {
        var cluster = new Cluster(startWith: 3, minWorkers: 3, topology: Topology.Mesh).Train("a", "b", "c");
        cluster.Tell(new ClusterEvent.Lost("c", "it died"));
        cluster.HaltAll(2, 2, "a", "b");
        Assert.Equal([new ClusterEffect.Dismiss("a")], cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed")));
    }

    [Fact]
    public void One_who_leaves_when_all_is_done_gives_the_result()
    {
        var cluster = new Cluster(topology: Topology.Mesh).Train("a");
        cluster.Tell(new ClusterEvent.Leaving("a", "the machine is needed"));
        Assert.Equal([new ClusterEffect.Collect("a", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 3)));
    }

    [Fact]
    public void When_the_last_who_knew_the_parameters_is_gone_the_job_fails()
    {
        var cluster = new Cluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Lost("a", "it died"));
        Assert.Equal(new ClusterEffect.Fail("all workers are gone, and with them the parameters"), Assert.Single(cluster.Tell(new ClusterEvent.Fenced(2, 2))));
    }

    [Fact]
    public void Newcomers_alone_begin_from_the_start()
    {
        var cluster = new Cluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", _facts), new ClusterEvent.Lost("a", "it died"), new ClusterEvent.Fenced(3, 2));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 3, 0));
        Assert.Equal(new ClusterEffect.Announce("nobody is left who holds the parameters of round 2: going back to round 0"), effects[0]);
        Assert.Equal((0, 3), (Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.FirstRound, Assert.IsType<ClusterEffect.Begin>(effects[1]).Plan.EndRound));
        Assert.Equal((0, 2), (cluster.State.Reached, cluster.State.StepsRedone));
    }

    [Fact]
    public void The_state_is_collected_when_all_have_applied_all()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        Assert.Empty(cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 2)));
        Assert.Equal([new ClusterEffect.Collect("a", 1)], cluster.Tell(new ClusterEvent.Reached("b", 3)));
        cluster.Tell(new ClusterEvent.Registered("late"));
        Assert.Equal([new ClusterEffect.Refuse("late", "the job is done")], cluster.Tell(new ClusterEvent.Prepared("late", _facts)));
        Assert.Equal([new ClusterEffect.Announce("a is lost: it died", "a"), new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        Assert.Equal([new ClusterEffect.Finish()], cluster.Tell(new ClusterEvent.Collected()));
        Assert.Equal(ClusterPhase.Finished, cluster.State.Phase);
    }

    [Fact]
    public void Who_only_prepares_himself_is_not_asked_for_the_state()
    {
        var cluster = new Cluster().Train("b");
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.Equal([new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Reached("b", 3)));
    }

    [Fact]
    public void A_job_whose_last_round_was_done_at_a_halt_has_no_further_plan()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Lost("b", "it died"), new ClusterEvent.Fenced(2, 3));
        Assert.Equal([new ClusterEffect.Collect("a", 2)], cluster.Tell(new ClusterEvent.Halted("a", 2, 3)));
    }

    [Fact]
    public void When_all_donors_are_lost_before_the_state_is_safe_the_job_fails()
    {
        var cluster = new Cluster(startWith: 1).Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3));
        Assert.Contains(new ClusterEffect.Fail("all workers were lost before the result was safe"), cluster.Tell(new ClusterEvent.Lost("a", "it died")));
    }

    [Fact]
    public void A_collected_state_counts_only_when_it_was_asked_for() => new Cluster().Train("a").AssertIgnores(new ClusterEvent.Collected());

    [Fact]
    public void After_the_end_nothing_changes_any_more() => Gen.Select(_anyEvent, Gen.Bool).Sample((happened, isDone) =>
    {
        var cluster = new Cluster().Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 3), isDone ? new ClusterEvent.Collected() : new ClusterEvent.Lost("a", "it died"));
        Assert.Equal(isDone ? ClusterPhase.Finished : ClusterPhase.Failed, cluster.State.Phase);
        cluster.AssertIgnores(happened);
    });

    /// <summary>What nobody sends must not break what holds for every decision.</summary>
    [Fact]
    public void Whatever_is_told_in_whatever_order_the_decisions_fit_together() => Gen.Select(_anyEvent.Array[0, 60], Gen.Enum<Topology>()).Sample((events, topology) =>
    {
        var cluster = new Cluster(startWith: 2, topology: topology);
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
                    case ClusterEffect.Fence fence:
                        Assert.Equal((cluster.State.Generation, Topology.Star), (fence.Generation, topology));
                        break;
                    case ClusterEffect.Begin { Plan: var plan }:
                        Assert.Equal((generation, 3), (plan.Generation, plan.EndRound));
                        Assert.InRange(plan.FirstRound, cluster.State.Completed, 2);
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
        var cluster = new Cluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        Assert.Equal([.. ((string[])["a", "b", "c"]).Select(w => new ClusterEffect.Halt(w, 2))], cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Empty(cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("c", 2, 1)));
        Assert.Equal(
            [new ClusterEffect.Refuse("b", "it did not answer: nothing was heard for 2 s", MayReturn: true), new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("c", 3)],
            cluster.Tell(new ClusterEvent.Overdue("nothing was heard for 2 s")));
        Assert.Equal(new GenerationStart(3, GenerationCause.Silence, "b did not answer: nothing was heard for 2 s"), cluster.State.Generations[^1]);
    }

    [Fact]
    public void A_state_that_does_not_come_is_asked_for_anew()
    {
        var cluster = new Cluster(startWith: 1, topology: Topology.Mesh).Train("a").Prepare("b");
        Assert.Contains(new ClusterEffect.Transfer("a", "b", 2), cluster.Tell(new ClusterEvent.Halted("a", 2, 1), new ClusterEvent.Halted("b", 2, 0)));
        Assert.Equal([new ClusterEffect.Halt("a", 3), new ClusterEffect.Halt("b", 3)], cluster.Tell(new ClusterEvent.Overdue("no state")));
        Assert.Equal(new ClusterEffect.Refuse("a", "it did not answer: no state", MayReturn: true),
            cluster.Tell(new ClusterEvent.Halted("b", 3, 0), new ClusterEvent.Overdue("no state"))[0]);
    }

    [Fact]
    public void A_result_that_does_not_come_is_fetched_from_another()
    {
        var cluster = new Cluster(startWith: 2).Train("a", "b");
        cluster.Tell(new ClusterEvent.Reached("a", 3), new ClusterEvent.Reached("b", 3));
        Assert.Equal([new ClusterEffect.Refuse("a", "the result did not come: no state", MayReturn: true), new ClusterEffect.Collect("b", 1)], cluster.Tell(new ClusterEvent.Overdue("no state")));
    }

    [Fact]
    public void A_coordinator_that_is_started_again_waits_for_the_workers_of_its_last_plan()
    {
        var cluster = new Cluster(startWith: 1, topology: Topology.Mesh) { State = Resumed(Topology.Mesh, "a", "b") };
        foreach (var worker in (string[])["a", "c"])
            Assert.Empty(cluster.Tell(new ClusterEvent.Registered(worker), new ClusterEvent.Prepared(worker, FactsOf(worker), worker == "c" ? default : new(4, 2))));
        Assert.Equal([new ClusterEffect.Halt("a", 5), new ClusterEffect.Halt("b", 5), new ClusterEffect.Halt("c", 5)],
            cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", FactsOf("b"), new(4, 1))));
        // A mesh has trained on meanwhile.
        Assert.Equal([new ClusterEffect.Transfer("a", "b", 5), new ClusterEffect.Transfer("a", "c", 5)],
            cluster.Tell(new ClusterEvent.Halted("a", 5, 3), new ClusterEvent.Halted("b", 5, 2), new ClusterEvent.Halted("c", 5, 0)).Where(e => e is ClusterEffect.Transfer));
    }

    [Fact]
    public void Whoever_does_not_come_back_is_not_waited_for_for_ever()
    {
        var cluster = new Cluster { State = Resumed(Topology.Star, "a", "b") };
        Assert.Empty(cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", _facts, new(4, 2))));
        Assert.Equal([new ClusterEffect.Fence(5), new ClusterEffect.Halt("a", 5)], cluster.Tell(new ClusterEvent.ReturnOver()));
        var begin = Assert.IsType<ClusterEffect.Begin>(cluster.Tell(new ClusterEvent.Fenced(5, 0, CanRepeat: false), new ClusterEvent.Halted("a", 5, 2))[^1]);
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
    public void Who_holds_another_past_is_not_gone_on_with(bool isExact, int generation, bool canBeAdopted)
    {
        var cluster = new Cluster { State = Resumed(Topology.Mesh) with { Job = _job with { IsExact = isExact }, Plan = new(2, 0, 3, ["a"], Topology.Mesh) } };
        Assert.Equal(canBeAdopted, cluster.State.CanAdopt(new(generation, 1)));
        cluster.Tell(new ClusterEvent.Registered("x"));
        var effects = cluster.Tell(new ClusterEvent.Prepared("x", FactsOf("x"), new(generation, 1)));
        if (generation != 0) Assert.Equal(canBeAdopted, effects is not [ClusterEffect.Refuse { MayReturn: true }]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whose_parameters_differ_when_all_are_at_the_same_round_is_named_and_ends_the_job(bool isNewcomer)
    {
        var cluster = new Cluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Prepare("c").Tell(new ClusterEvent.Halted("c", 2, 0, new(9, 9)), new ClusterEvent.Halted("a", 2, 2, new(1, 2)));
        var effects = cluster.Tell(new ClusterEvent.Halted("b", 2, 2, isNewcomer ? new(1, 2) : new(1, 3)));
        Assert.Equal([new ClusterEffect.Transfer("a", "c", 2)], effects);
        effects = cluster.Tell(new ClusterEvent.Synced("c", 2, 2, isNewcomer ? new(1, 3) : new(1, 2)));
        Assert.Equal(
            [new ClusterEffect.Fail($"{(isNewcomer ? "c" : "b")}: after 2 rounds its parameters (00000000000000010000000000000003) differ from those of a (00000000000000010000000000000002)", IsMismatch: true)],
            effects);
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }

    [Fact]
    public void Where_others_may_come_the_end_of_all_is_not_the_end()
    {
        var cluster = new Cluster { State = new() { Job = _job, Topology = Topology.Mesh, StartWith = 1, MinWorkers = 1, IsOpen = true } };
        cluster.Prepare("a").Tell(new ClusterEvent.Halted("a", 1, 0), new ClusterEvent.Reached("a", 2));
        Assert.Equal(
            [new ClusterEffect.Announce("a is lost: it died", "a"), new ClusterEffect.Announce("all workers are gone, and with them the parameters: training begins again from the start when 1 are there")],
            cluster.Tell(new ClusterEvent.Lost("a", "it died")));
        cluster.Prepare("b");
        Assert.Equal(0, Assert.IsType<ClusterEffect.Begin>(cluster.Tell(new ClusterEvent.Halted("b", cluster.State.Generation, 0))[^1]).Plan.FirstRound);
        Assert.Equal(2, cluster.State.StepsRedone);
    }

    [Theory]
    [InlineData(Topology.Star)]
    [InlineData(Topology.Mesh)]
    public void When_nobody_is_left_who_holds_more_the_stored_state_is_gone_on_from(Topology topology)
    {
        var cluster = new Cluster { State = Resumed(topology) with { Stored = new(2, new(7, 7)), Reached = 3 } };
        cluster.Prepare("a", "b");
        var generation = cluster.State.Generation;
        if (topology == Topology.Star) cluster.Tell(new ClusterEvent.Fenced(generation, 0, CanRepeat: false));
        var effects = cluster.HaltAll(generation, 0, "a", "b");
        Assert.Equal([new ClusterEffect.Load("a", generation), new ClusterEffect.Load("b", generation)], effects);
        cluster.Tell(new ClusterEvent.Synced("a", generation, 2, new(7, 7)));
        effects = cluster.Tell(new ClusterEvent.Synced("b", generation, 2, new(7, 7)));
        Assert.Equal(2, Assert.IsType<ClusterEffect.Begin>(effects[^1]).Plan.FirstRound);
    }

    [Fact]
    public void A_stored_state_is_of_no_use_where_somebody_holds_as_much()
    {
        var cluster = new Cluster { State = Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Tell(new ClusterEvent.Registered("a"), new ClusterEvent.Prepared("a", FactsOf("a"), new(4, 2)));
        cluster.Prepare("b");
        var generation = cluster.State.Generation;
        cluster.Tell(new ClusterEvent.Halted("a", generation, 2, new(7, 7)));
        Assert.Equal([new ClusterEffect.Transfer("a", "b", generation)], cluster.Tell(new ClusterEvent.Halted("b", generation, 0)));
    }

    [Fact]
    public void Whose_parameters_differ_from_the_stored_ones_is_named()
    {
        var cluster = new Cluster { State = Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a");
        cluster.Tell(new ClusterEvent.Halted("a", 5, 0));
        Assert.Equal(
            [new ClusterEffect.Fail("a: after 2 rounds its parameters (00000000000000070000000000000008) differ from those of the checkpoint (00000000000000070000000000000007)", IsMismatch: true)],
            cluster.Tell(new ClusterEvent.Synced("a", 5, 2, new(7, 8))));
    }

    [Fact]
    public void When_the_stored_state_cannot_be_read_the_one_before_it_is_taken()
    {
        var cluster = new Cluster { State = Resumed(Topology.Mesh) with { Stored = new(2, new(7, 7)) } };
        cluster.Prepare("a");
        cluster.Tell(new ClusterEvent.Halted("a", 5, 0));
        Assert.Equal([new ClusterEffect.Halt("a", 6)], cluster.Tell(new ClusterEvent.Damaged(new(1, new(6, 6)), "it is cut short")));
        Assert.Equal([new ClusterEffect.Load("a", 6)], cluster.Tell(new ClusterEvent.Halted("a", 6, 0)));
        cluster.Tell(new ClusterEvent.Damaged(null, "it is cut short"));
        Assert.Equal(0, Assert.IsType<ClusterEffect.Begin>(cluster.Tell(new ClusterEvent.Halted("a", 7, 0))[^1]).Plan.FirstRound);
    }

    private static ClusterProtocol Resumed(Topology topology, params string[] workers) => new()
    {
        Job = _job,
        Topology = topology,
        StartWith = 1,
        MinWorkers = 1,
        IsOpen = true,
        Generation = 4,
        Reached = 1,
        Facts = FactsOf("a"),
        Rounds = new(7, 5, 1, 4, 2),
        Returning = [.. workers],
    };

    /// <summary>The protocol, which is told what happens one event at a time.</summary>
    private sealed class Cluster(int startWith = 1, int minWorkers = 1, Topology topology = Topology.Star)
    {
        public ClusterProtocol State { get; set; } = new() { Job = _job, Topology = topology, StartWith = startWith, MinWorkers = minWorkers };

        public List<ClusterEffect> Tell(params ClusterEvent[] events)
        {
            var all = new List<ClusterEffect>();
            foreach (var happened in events)
            {
                (State, var effects) = State.Handle(happened);
                all.AddRange(effects);
            }
            return all;
        }

        public Cluster Prepare(params string[] workers)
        {
            foreach (var worker in workers) Tell(new ClusterEvent.Registered(worker), new ClusterEvent.Prepared(worker, FactsOf(worker)));
            return this;
        }

        /// <summary>The first plan is in force.</summary>
        public Cluster Train(params string[] workers)
        {
            Prepare(workers);
            if (topology == Topology.Star) Tell(new ClusterEvent.Fenced(1, 0));
            foreach (var worker in workers) Tell(new ClusterEvent.Halted(worker, 1, 0));
            Assert.Equal(ClusterPhase.Training, State.Phase);
            return this;
        }

        public List<ClusterEffect> HaltAll(int generation, long applied, params string[] workers) =>
            Tell([.. workers.Select(w => new ClusterEvent.Halted(w, generation, applied))]);

        public void AssertIgnores(params ClusterEvent[] events)
        {
            var before = State;
            Assert.Empty(Tell(events));
            Assert.Equal(before, State);
        }
    }
}
