using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Which workers the coordinator welcomes, adopts and refuses.</summary>
public sealed class ClusterAdmissionTests
{
    [Theory]
    [InlineData(true, true, 1, 2, 2, 2, true)]
    [InlineData(true, true, 4, 2, 0, 0, true)]
    [InlineData(true, true, 4, 2, 1, 2, true)]
    [InlineData(true, true, 4, 2, 3, 2, false)]
    [InlineData(true, false, 4, 2, 2, 2, false)]
    [InlineData(true, true, 0, 0, 0, 2, false)]
    [InlineData(true, true, 4, -1, 0, 2, false)]
    [InlineData(true, true, Holding.MaxGeneration, 2, 2, 2, true)]
    [InlineData(true, true, Holding.MaxGeneration + 1, 2, 2, 2, false)]
    [InlineData(false, true, 1, 2, 2, 2, false)]
    [InlineData(false, true, 2, 2, 2, 2, true)]
    [InlineData(false, true, 3, 2, 2, 2, true)]
    [InlineData(false, true, 2, 2, 3, 2, false)]
    [InlineData(false, false, 2, 2, 2, 2, false)]
    public void The_coordinator_adopts_a_worker_only_with_rounds_that_the_job_can_continue_from(
        bool isExact, bool hadPart, int generation, long applied, long reportsFrom, long recorded, bool isAdopted)
    {
        var resumed = ToldCluster.Resumed(Topology.Mesh) with { Job = ToldCluster.Job with { IsExact = isExact }, PlanGeneration = 2 };
        var (state, effects) = resumed.Handle(
            new ClusterEvent.Registered("x", hadPart, new(generation, applied), reportsFrom, recorded));
        Assert.Equal(new ClusterEffect.Welcome("x", isAdopted), Assert.Single(effects));
        Assert.Equal(new Member("x", MemberStatus.Preparing, 0, Leaving: false), Assert.Single(state.Members.Values));
    }

    [Fact]
    public void In_a_star_a_plan_needs_no_links_between_workers()
    {
        var cluster = new ToldCluster();
        cluster.Tell(
            new ClusterEvent.Registered("a"),
            new ClusterEvent.Prepared("a", ToldCluster.Facts with { LinkHost = "", LinkPort = 0 }));
        Assert.Empty(Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("a", 1, 0)))).Endpoints);
    }

    [Fact]
    public void A_worker_that_is_preparing_joins_and_leaves_without_a_new_generation()
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
    public void The_coordinator_refuses_a_worker_that_differs_and_names_the_difference(WorkerFacts other, string reason)
    {
        var cluster = new ToldCluster(startWith: 2).Prepare("a");
        cluster.Tell(new ClusterEvent.Registered("b"));
        var refused = Assert.IsType<ClusterEffect.Refuse>(Assert.Single(cluster.Tell(new ClusterEvent.Prepared("b", other))));
        Assert.StartsWith(reason, refused.Reason, StringComparison.Ordinal);
        Assert.Equal(["a"], cluster.State.Members.Keys);
        Assert.Equal(ToldCluster.FactsOf("a"), cluster.State.Facts);
        cluster.Tell(new ClusterEvent.Registered("b"));
        Assert.Contains(new ClusterEffect.Halt("b", 1), cluster.Tell(new ClusterEvent.Prepared("b", ToldCluster.Facts)));
    }

    public static TheoryData<WorkerFacts, string> Differences => new()
    {
        {
            ToldCluster.Facts with { DataFingerprint = "other" },
            "its data differs: 7 + 5 samples with fingerprint other; the job's is 7 + 5 with data."
        },
        { ToldCluster.Facts with { TrainSamples = 8 }, "its data differs: 8 + 5 samples" },
        { ToldCluster.Facts with { TestSamples = 0 }, "its data differs: 7 + 0 samples" },
        { ToldCluster.Facts with { Layout = new(11, 3) }, "its model differs: 11 numbers a contribution; the job's has 10." },
        { ToldCluster.Facts with { Layout = new(10, 4) }, "its model differs" },
        { ToldCluster.Facts with { StateBytes = 9 }, "its model differs" },
        {
            ToldCluster.Facts with { InitialDigest = "other" },
            "its initial parameters differ in their bits (other, the job's are initial)."
        },
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
        Assert.Equal(
            new ClusterEffect.Fail(FailureCause.BatchTooLarge, "batch is 4, but the training set has 3 samples; allowed: 1 to 3"),
            Assert.Single(cluster.Tell(new ClusterEvent.Prepared("a", ToldCluster.Facts with { TrainSamples = 3 }))));
    }

    [Fact]
    public void A_batch_of_all_samples_has_one_step_an_epoch_for_any_number_of_samples() =>
        Gen.Int[1, 1000].Sample(samples =>
        {
            var rounds = (ToldCluster.Job with { Batch = null }).RoundsOf(ToldCluster.Facts with { TrainSamples = samples });
            Assert.Equal((1, samples), (rounds.StepsPerEpoch, rounds.At(0).Samples));
        });
}
