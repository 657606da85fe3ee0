using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>How the coordinator handles broken links between the workers of a mesh.</summary>
public sealed class ClusterLinksTests
{
    [Theory]
    [InlineData("", 4711)]
    [InlineData("host", 0)]
    [InlineData("host", -1)]
    [InlineData("host", 65_536)]
    [InlineData(null, 4711)]
    public void In_a_mesh_a_worker_that_cannot_be_reached_is_rejected(string? host, int port)
    {
        var cluster = new ToldCluster(topology: Topology.Mesh);
        cluster.Tell(new ClusterEvent.Registered("a"));
        var refused = cluster.Tell(
            new ClusterEvent.Prepared("a", ToldCluster.Facts with { LinkHost = host ?? new string('x', 256), LinkPort = port }));
        Assert.StartsWith($"its links are at port {port} of a host with a name of {host?.Length ?? 256} characters",
            Assert.IsType<ClusterEffect.Refuse>(Assert.Single(refused)).Reason, StringComparison.Ordinal);
        cluster.Tell(new ClusterEvent.Registered("a"));
        Assert.IsType<ClusterEffect.Open>(
            cluster.Tell(new ClusterEvent.Prepared("a", ToldCluster.Facts with { LinkHost = new('x', 255), LinkPort = 65_535 }))[0]);
    }

    [Fact]
    public void A_broken_link_between_two_workers_reconfigures_with_both_and_counts_once()
    {
        var cluster = new ToldCluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        Assert.Equal([new ClusterEffect.Halt("a", 2), new ClusterEffect.Halt("b", 2), new ClusterEffect.Halt("c", 2)],
            cluster.Tell(new ClusterEvent.PeerLost("b", 1, "a", "it was reset")));
        Assert.Equal(
            new GenerationStart(2, GenerationCause.Link, "the link between b and a broke: it was reset"),
            cluster.State.Generations[^1]);
        cluster.AssertIgnores(
            new ClusterEvent.PeerLost("a", 1, "b", "it was reset"),
            new ClusterEvent.PeerLost("a", 2, "b", "it was reset"));
    }

    [Fact]
    public void A_broken_link_of_another_generation_or_to_an_unknown_worker_changes_nothing()
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        cluster.Tell(new ClusterEvent.Registered("c"));
        cluster.AssertIgnores(
            new ClusterEvent.PeerLost("a", 0, "b", ""), new ClusterEvent.PeerLost("a", 2, "b", ""),
            new ClusterEvent.PeerLost("a", 1, "c", ""), new ClusterEvent.PeerLost("c", 1, "a", ""),
            new ClusterEvent.PeerLost("a", 1, "a", ""), new ClusterEvent.PeerLost("a", 1, "unknown", ""));
    }

    [Fact]
    public void A_link_that_breaks_three_times_without_an_applied_round_evicts_the_peer()
    {
        var cluster = new ToldCluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        for (var generation = 1; generation < ClusterProtocol.MaxBreaks; generation++)
        {
            // Other pairs are counted separately.
            var (worker, peer) = generation % 2 == 0 ? ("a", "b") : ("b", "a");
            Assert.DoesNotContain(
                cluster.Tell(new ClusterEvent.PeerLost(worker, generation, peer, "no answer")),
                e => e is ClusterEffect.Refuse);
            cluster.HaltAll(generation + 1, 0, "a", "b", "c");
        }
        var refused = new ClusterEffect.Refuse("b", RefusalCause.Unreachable, "a cannot reach it over its link: no answer");
        Assert.Equal([refused, new ClusterEffect.Halt("a", 4), new ClusterEffect.Halt("c", 4)],
            cluster.Tell(new ClusterEvent.PeerLost("a", ClusterProtocol.MaxBreaks, "b", "no answer")));
        Assert.Equal(new GenerationStart(4, GenerationCause.Refused, "b was turned away"), cluster.State.Generations[^1]);
        Assert.Equal(["a", "c"], cluster.State.Members.Keys);
    }

    [Fact]
    public void A_returning_worker_that_is_unreachable_again_is_evicted_at_once()
    {
        var cluster = new ToldCluster(startWith: 3, topology: Topology.Mesh).Train("a", "b", "c");
        for (var generation = 1; generation < ClusterProtocol.MaxBreaks; generation++)
        {
            cluster.Tell(new ClusterEvent.PeerLost("a", generation, "b", "no answer"));
            cluster.HaltAll(generation + 1, 0, "a", "b", "c");
        }
        cluster.Tell(new ClusterEvent.PeerLost("a", 3, "b", "no answer"));
        cluster.HaltAll(4, 0, "a", "c");

        // The others have continued meanwhile.
        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", ToldCluster.FactsOf("b"), new(3, 0)));
        cluster.HaltAll(5, 1, "a", "c");
        cluster.Tell(new ClusterEvent.Halted("b", 5, 0), new ClusterEvent.Synced("b", 5, 1));
        Assert.Equal(new ClusterEffect.Refuse("b", RefusalCause.Unreachable, "a cannot reach it over its link: no answer"),
            cluster.Tell(new ClusterEvent.PeerLost("a", 5, "b", "no answer"))[0]);
        cluster.HaltAll(6, 1, "a", "c");

        cluster.Tell(new ClusterEvent.Registered("b"), new ClusterEvent.Prepared("b", ToldCluster.FactsOf("b"), new(5, 1)));
        cluster.HaltAll(7, 1, "a", "b", "c");
        cluster.Tell(new ClusterEvent.Reached("a", 2));
        Assert.DoesNotContain(cluster.Tell(new ClusterEvent.PeerLost("a", 7, "b", "no answer")), e => e is ClusterEffect.Refuse);
    }

    [Fact]
    public void A_link_that_breaks_now_and_then_evicts_no_worker()
    {
        var cluster = new ToldCluster(startWith: 2, topology: Topology.Mesh).Train("a", "b");
        for (var generation = 1; generation < 6; generation++)
        {
            Assert.DoesNotContain(
                cluster.Tell(new ClusterEvent.PeerLost("a", generation, "b", "no answer")),
                e => e is ClusterEffect.Refuse);
            cluster.HaltAll(generation + 1, generation / 2, "a", "b");
        }
    }
}
