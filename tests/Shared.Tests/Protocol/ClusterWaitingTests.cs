using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

/// <summary>Which silent or lost workers the cluster awaits, and when it gives up.</summary>
public sealed class ClusterWaitingTests
{
    private const string Waits = "c did not answer (silence), but no other worker holds the newest parameters: waiting for another 15 s";

    private static ToldCluster Open(int minWorkers = 1) => new(3, minWorkers, Topology.Mesh)
    {
        State = new() { Job = ToldCluster.Job, Topology = Topology.Mesh, StartWith = 3, MinWorkers = minWorkers, IsOpen = true },
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_last_holder_of_the_parameters_gets_more_time_before_eviction(bool isOpen)
    {
        var cluster = Open();
        cluster.State = cluster.State with { IsOpen = isOpen };
        cluster.Train("a", "b", "c").Tell(
            new ClusterEvent.Reached("c", 2), new ClusterEvent.Lost("a", "killed"), new ClusterEvent.Lost("b", "killed"));
        Assert.Equal([new ClusterEffect.Announce(Waits)], cluster.Tell(new ClusterEvent.Overdue("silence")));
        Assert.Equal(
            2,
            Assert.IsType<ClusterEffect.Begin>(Assert.Single(cluster.Tell(new ClusterEvent.Halted("c", 3, 2)))).Plan.FirstRound);
        // It is awaited each time.
        cluster.Tell(new ClusterEvent.Overdue("silence"));
        Assert.IsType<ClusterEffect.Announce>(Assert.Single(cluster.Tell(new ClusterEvent.Overdue("silence"))));
        Assert.Contains(
            new ClusterEffect.Refuse("c", RefusalCause.NoAnswer, "it did not answer: silence"),
            cluster.Tell(new ClusterEvent.Overdue("silence")));
        Assert.Equal(isOpen ? ClusterPhase.Gathering : ClusterPhase.Failed, cluster.State.Phase);
    }

    [Fact]
    public void Newcomers_do_not_load_a_checkpoint_while_a_worker_that_holds_more_may_answer()
    {
        var cluster = Open();
        cluster.Train("a", "b", "c").Tell(
            new ClusterEvent.Stored(new(0, default)), new ClusterEvent.Reached("c", 2), new ClusterEvent.Lost("a", "killed"),
            new ClusterEvent.Lost("b", "killed"));
        cluster.Prepare("a");
        Assert.Empty(cluster.Tell(new ClusterEvent.Halted("a", 3, 0)));
        Assert.Equal([new ClusterEffect.Announce(Waits)], cluster.Tell(new ClusterEvent.Overdue("silence")));
        Assert.Equal([new ClusterEffect.Transfer("c", "a", 3)], cluster.Tell(new ClusterEvent.Halted("c", 3, 2)));
    }

    [Theory]
    [InlineData(1, 0, false)]
    [InlineData(2, 0, true)]
    [InlineData(2, 1, false)]
    [InlineData(2, 2, false)]
    public void A_worker_one_round_ahead_of_others_or_a_checkpoint_is_not_awaited(long held, long stored, bool isWaitedFor)
    {
        var cluster = Open();
        cluster.Train("a", "b", "c").Tell(
            new ClusterEvent.Stored(new(stored, default)),
            new ClusterEvent.Reached("c", held),
            new ClusterEvent.Lost("a", "killed"),
            new ClusterEvent.Lost("b", "killed"));
        cluster.Prepare("a").Tell(new ClusterEvent.Halted("a", 3, 0));
        Assert.Equal(isWaitedFor, cluster.State.AwaitsLastHolder);
    }

    [Fact]
    public void When_all_workers_are_gone_the_log_says_what_is_awaited_and_what_follows()
    {
        var cluster = Open(minWorkers: 2);
        cluster.Train("a", "b", "c").Tell(new ClusterEvent.Reached("a", 1));
        cluster.Tell(new ClusterEvent.Lost("a", "killed"), new ClusterEvent.Lost("b", "killed"));
        Assert.Equal(
            new ClusterEffect.Announce(
                "all workers are gone: waiting for at least 2; training then begins again from the start, since there is no checkpoint"),
            cluster.Tell(new ClusterEvent.Lost("c", "killed"))[^1]);
        cluster.State = cluster.State with { Stored = new(1, default) };
        cluster.Prepare("a");
        Assert.Equal(
            new ClusterEffect.Announce(
                "all workers are gone: waiting for at least 2; training then goes on from the checkpoint of step 1"),
            cluster.Tell(new ClusterEvent.Lost("a", "killed"))[^1]);
    }

    [Theory]
    [InlineData("", "all workers are gone, and with them the parameters: a was killed")]
    [InlineData("a", "1 of at least 2 workers are left, and no other is started: a was killed")]
    [InlineData("a,b", null)]
    public void The_run_ends_if_too_few_workers_are_left_and_no_other_is_started(string living, string? failure)
    {
        var cluster = Open(minWorkers: 2);
        cluster.Train("a", "b", "c").Tell(new ClusterEvent.Reached("a", 1));
        foreach (var worker in (string[])["a", "b", "c"]) cluster.Tell(new ClusterEvent.Lost(worker, "killed"));
        var effects = cluster.Tell(new ClusterEvent.Supply([.. living.Split(',', StringSplitOptions.RemoveEmptyEntries)], "a was killed"));
        Assert.Equal(failure is null ? [] : [new ClusterEffect.Fail(FailureCause.Starved, failure)], effects);
    }

    [Fact]
    public void The_run_ends_after_the_round_if_too_few_workers_remain()
    {
        var cluster = Open(minWorkers: 3);
        cluster.Train("a", "b", "c").Tell(new ClusterEvent.Lost("a", "killed"));
        Assert.Empty(cluster.Tell(new ClusterEvent.Supply(["b", "c"], "a was killed")));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 0));
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.Starved, "2 of at least 3 workers are left, and no other is started: a was killed")],
            cluster.Tell(new ClusterEvent.Halted("c", 2, 0)));
    }

    [Fact]
    public void A_job_that_is_done_needs_no_more_workers()
    {
        var cluster = Open(minWorkers: 3);
        cluster.Train("a", "b", "c").Tell(
            new ClusterEvent.Reached("b", 3), new ClusterEvent.Lost("a", "killed"), new ClusterEvent.Supply(["b", "c"], "a was killed"));
        cluster.Tell(new ClusterEvent.Halted("b", 2, 3));
        Assert.Equal([new ClusterEffect.Transfer("b", "c", 2)], cluster.Tell(new ClusterEvent.Halted("c", 2, 2)));
        Assert.Equal([new ClusterEffect.Collect("b", 2)], cluster.Tell(new ClusterEvent.Synced("c", 2, 3)));
    }

    [Fact]
    public void A_local_worker_that_fails_before_the_first_plan_ends_the_run()
    {
        var cluster = new ToldCluster(startWith: 3).Prepare("a", "b");
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.LocalWorker, "a failed: the device failed")],
            cluster.Tell(new ClusterEvent.Lost("a", "the device failed", IsOwnFailure: true)));
        Assert.Equal(ClusterPhase.Failed, cluster.State.Phase);
    }

    [Fact]
    public void The_cluster_continues_without_a_local_worker_that_fails_later()
    {
        var cluster = new ToldCluster(startWith: 2).Train("a", "b");
        Assert.Equal(
            [new ClusterEffect.Announce("a is lost: the device failed", "a"), new ClusterEffect.Halt("b", 2)],
            cluster.Tell(new ClusterEvent.Lost("a", "the device failed", IsOwnFailure: true)));
    }

    [Fact]
    public void The_failure_of_the_last_local_worker_is_the_cause_only_if_no_round_was_applied()
    {
        var failure = new ClusterEvent.Lost("a", "the device failed", IsOwnFailure: true);
        Assert.Equal(
            [new ClusterEffect.Fail(FailureCause.LocalWorker, "a failed: the device failed")],
            new ToldCluster().Train("a").Tell(failure));
        var cluster = new ToldCluster().Train("a");
        cluster.Tell(new ClusterEvent.Reached("a", 1));
        Assert.Equal(
            [
                new ClusterEffect.Announce("a is lost: the device failed", "a"),
                new ClusterEffect.Fail(FailureCause.AllLost, "all workers are gone, and with them the parameters"),
            ],
            cluster.Tell(failure));
    }
}
