using System.Collections.Immutable;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

public sealed class ProgressWatchTests
{
    private static readonly Rounds _rounds = new(1000, 500, 2, 100, 4);
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(100);

    private readonly ProgressWatch _watch = new();

    private static ClusterProtocol Cluster(ClusterPhase phase, params (string Id, MemberStatus Status)[] members) => new()
    {
        Job = new(2, 100, 4),
        StartWith = 1,
        MinWorkers = 1,
        Topology = Topology.Mesh,
        Phase = phase,
        Rounds = _rounds,
        Facts = new("data", 1000, 500, new(10, 3), 1 << 20, "initial", "", 0),
        Members = members.ToImmutableSortedDictionary(
            m => m.Id, m => new Member(m.Id, m.Status, 0, Leaving: false), StringComparer.Ordinal),
    };

    [Fact]
    public void A_stall_of_more_than_ten_rounds_is_reported_once()
    {
        var cluster = Cluster(ClusterPhase.Training, ("a", MemberStatus.Active), ("b", MemberStatus.Active));
        foreach (var (worker, evaluation) in new[] { ("a", 0.2), ("b", 0.3) })
        {
            _watch.Applied(worker, _rounds.At(0), 0.1);
            _watch.Applied(worker, _rounds.At(10), evaluation);
        }
        Assert.Equal(TimeSpan.FromSeconds(2 + 3), _watch.TimeoutFor(cluster));

        var ticks = 0;
        for (; _watch.Tick(_tick, cluster) is null; ticks++) Assert.True(ticks < 100);
        Assert.InRange(ticks, 50, 52);
        Assert.Null(_watch.Tick(_tick, cluster));
    }

    [Fact]
    public void A_worker_before_its_first_round_gets_more_time()
    {
        var cluster = Cluster(ClusterPhase.Training, ("a", MemberStatus.Active), ("b", MemberStatus.Active));
        _watch.Applied("a", _rounds.At(0), 0.1);
        Assert.Equal(TimeSpan.FromMinutes(2), _watch.TimeoutFor(cluster));
        _watch.Applied("b", _rounds.At(0), 0.1);
        Assert.True(_watch.TimeoutFor(cluster) < TimeSpan.FromSeconds(10));
        _watch.Forget("b");
        Assert.Equal(TimeSpan.FromMinutes(2), _watch.TimeoutFor(cluster));
    }

    [Fact]
    public void Before_the_first_evaluation_its_time_is_estimated_from_training()
    {
        var cluster = Cluster(ClusterPhase.Training, ("a", MemberStatus.Active));
        _watch.Applied("a", _rounds.At(0), 0.1);
        Assert.Equal(2 + (10 * 0.1 * 5), _watch.TimeoutFor(cluster)!.Value.TotalSeconds, 6);
    }

    [Fact]
    public void A_slow_first_step_is_forgotten()
    {
        var cluster = Cluster(ClusterPhase.Training, ("a", MemberStatus.Active));
        _watch.Applied("a", _rounds.At(0), 60);
        for (var i = 0; i < 20; i++) _watch.Applied("a", _rounds.At(1), 0.01);
        Assert.True(_watch.TimeoutFor(cluster) < TimeSpan.FromSeconds(3));
    }

    [Fact]
    public void Any_progress_restarts_the_wait()
    {
        var cluster = Cluster(ClusterPhase.Training, ("a", MemberStatus.Active));
        _watch.Applied("a", _rounds.At(0), 0.01);
        for (var i = 0; i < 1000; i++)
        {
            if (i % 10 == 0) cluster = cluster with { Members = cluster.Members.SetItem("a", cluster.Members["a"] with { Applied = i }) };
            Assert.Null(_watch.Tick(_tick, cluster));
        }
    }

    [Theory]
    [InlineData(nameof(ClusterPhase.Gathering))]
    [InlineData(nameof(ClusterPhase.Finished))]
    [InlineData(nameof(ClusterPhase.Failed))]
    public void There_is_no_timeout_while_nothing_is_awaited(string phase) =>
        Assert.Null(_watch.TimeoutFor(Cluster(Enum.Parse<ClusterPhase>(phase), ("a", MemberStatus.Ready))));

    [Fact]
    public void The_only_holder_of_the_parameters_gets_15_seconds_more_despite_newcomers()
    {
        var cluster = Cluster(ClusterPhase.Reconfiguring, ("a", MemberStatus.Ready), ("b", MemberStatus.Halted));
        cluster = cluster with { Members = cluster.Members.SetItem("a", cluster.Members["a"] with { Applied = 7 }) };
        foreach (var worker in (string[])["a", "b", "c"]) _watch.Applied(worker, _rounds.At(0), 0.01);
        var ticks = 0;
        while (_watch.Tick(_tick, cluster) is null) Assert.True(++ticks < 30);
        cluster = cluster with { IsLastHolderAnnounced = true };
        for (ticks = 0; _watch.Tick(_tick, cluster) is null; ticks++)
        {
            if (ticks % 20 != 0) continue;
            var member = new Member("c", MemberStatus.Halted, 0, Leaving: ticks % 40 == 0);
            cluster = cluster with { Members = cluster.Members.SetItem("c", member) };
        }
        Assert.InRange(ticks, 149, 152);
    }

    [Fact]
    public void The_timeout_of_a_state_transfer_depends_on_its_size()
    {
        var cluster = Cluster(ClusterPhase.Reconfiguring, ("a", MemberStatus.Halted), ("b", MemberStatus.Syncing));
        var small = _watch.TimeoutFor(cluster)!.Value;
        var large = _watch.TimeoutFor(cluster with { Facts = cluster.Facts! with { StateBytes = 1L << 30 } })!.Value;
        Assert.Equal(256, (large - small).TotalSeconds, 0.5);
    }
}
