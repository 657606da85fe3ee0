using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor restarts local workers that end, or ends the run.</summary>
public sealed class LocalWorkersTests : VirtualTimeKit
{
    private const int Killed = 128 + 9;

    private readonly ScriptedLocalWorkers _local = new("a", "b");

    [Fact]
    public async Task When_all_local_workers_are_killed_they_are_restarted_and_begin_from_the_start_if_there_is_no_checkpoint()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 3);
        await TrainAsync(bench, steps: 2);
        End(bench, "a", Killed, "killed by signal 9");
        End(bench, "b", Killed, "killed by signal 9");
        await bench.HandledAsync();
        Assert.Equal(
            [
                "a is started again in 1 s, restart 1 of at most 3: killed by signal 9 (see a.log)",
                "b is started again in 1 s, restart 2 of at most 3: killed by signal 9 (see b.log)",
            ],
            bench.Events.Where(e => e.Kind == RunEventKind.Restarted).Select(e => e.Text));
        Assert.Contains(
            "all workers are gone: waiting for at least 1; training then begins again from the start, since there is no checkpoint",
            bench.View.Messages);
        Assert.Equal("waiting for workers", bench.View.Last.Phase);
        Assert.Empty(_local.Restarted);

        await AdvanceAsync(bench, TimeSpan.FromSeconds(1));
        Assert.Equal(["a", "b"], _local.Restarted.Order());
        var again = await bench.JoinAsync("a");
        await again.HaltAsync(4, applied: 0);
        Assert.Equal(0, (await again.HearAsync<BeginPlan>()).FirstRound);
        Assert.False(bench.HasResult);
        Assert.Equal(2, await bench.Registry.ValueAsync("""distributed_local_worker_restarts_total{reason="killed"}"""));
    }

    [Fact]
    public async Task When_all_restarts_are_used_up_and_all_workers_are_gone_the_run_ends_with_the_last_reason()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 1);
        await TrainAsync(bench);
        End(bench, "a", Killed, "killed by signal 9");
        await AdvanceAsync(bench, TimeSpan.FromSeconds(1));
        End(bench, "b", 1, "no memory");
        await bench.HandledAsync();
        Assert.False(bench.HasResult);
        End(bench, "a", Killed, "killed by signal 9");
        Assert.Equal(
            "all workers are gone, and with them the parameters: a failed: killed by signal 9 (see a.log); "
            + "all 1 restarts (--max-restarts) are used up",
            await bench.FailureAsync());
    }

    [Fact]
    public async Task A_worker_that_fails_after_it_has_taken_part_is_restarted_but_not_if_it_then_fails_before_it_takes_part_again()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 5);
        await TrainAsync(bench);
        End(bench, "b", 1, "its device is gone");
        await AdvanceAsync(bench, TimeSpan.FromSeconds(1));
        Assert.Equal(["b"], _local.Restarted);
        End(bench, "b", 1, "the data file is gone");
        await AdvanceAsync(bench, TimeSpan.FromMinutes(5));
        Assert.Equal(["b"], _local.Restarted);
        Assert.Contains("b is not started again: b failed: the data file is gone (see b.log)", bench.View.Messages);
        // The other worker continues to train.
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task Before_the_first_step_a_killed_worker_is_restarted_and_a_worker_that_fails_with_a_reason_ends_the_run()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 5);
        var worker = await bench.JoinAsync("a");
        worker.Link.Dispose();
        End(bench, "a", Killed, "killed by signal 9");
        await AdvanceAsync(bench, TimeSpan.FromSeconds(1));
        Assert.Equal(["a"], _local.Restarted);
        Assert.False(bench.HasResult);
        End(bench, "b", 1, "the data directory does not exist");
        Assert.Equal("b failed: the data directory does not exist (see b.log)", await bench.FailureAsync());
        await AdvanceAsync(bench, TimeSpan.FromMinutes(5));
        Assert.Equal(["a"], _local.Restarted);
    }

    [Fact]
    public async Task A_worker_that_cannot_be_started_is_tried_again_until_all_restarts_are_used_up()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 3);
        await TrainAsync(bench);
        _local.IsBroken = true;
        End(bench, "a", Killed, "killed by signal 9");
        foreach (var pause in (double[])[1, 2, 4])
        {
            await bench.HandledAsync();
            await AdvanceAsync(bench, TimeSpan.FromSeconds(pause));
        }
        await bench.HandledAsync();
        Assert.Contains(
            "a is not started again: a failed: it could not be started: no more processes (see a.log); "
            + "all 3 restarts (--max-restarts) are used up",
            bench.View.Messages);
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task A_worker_that_is_refused_for_good_is_not_restarted()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 3);
        var workers = await TrainAsync(bench);
        End(bench, "b", Killed, "killed by signal 9");
        // The worker reports more rounds than the job has.
        await workers[0].HaltAsync(2, applied: 4);
        await workers[0].HearAsync<Refused>();
        End(bench, "a", 1, "the coordinator turned this worker away: it reports 4 applied rounds");
        await AdvanceAsync(bench, TimeSpan.FromSeconds(1));
        Assert.Equal(["b"], _local.Restarted);
        End(bench, "b", 1, "the data file is gone");
        Assert.Equal(
            "all workers are gone, and with them the parameters: b failed: the data file is gone (see b.log)",
            await bench.FailureAsync());
    }

    [Fact]
    public async Task No_worker_is_restarted_after_the_run_has_ended()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: _local, maxRestarts: 3);
        await TrainAsync(bench);
        End(bench, "b", Killed, "killed by signal 9");
        bench.Actor.Tell(new CoordinatorNotice.Abort("interrupted"));
        Assert.Equal("interrupted", await bench.FailureAsync());
        await AdvanceAsync(bench, TimeSpan.FromMinutes(5));
        Assert.Empty(_local.Restarted);
    }

    /// <summary>
    /// Lets time pass once the actor has handled all earlier messages, and waits until it has handled the messages that are due then.
    /// </summary>
    private async Task AdvanceAsync(CoordinatorBench bench, TimeSpan time)
    {
        await bench.HandledAsync();
        PassTime(time);
        await bench.HandledAsync();
    }

    private static void End(CoordinatorBench bench, string worker, int exitCode, string reason) =>
        bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded(worker, reason, exitCode));

    /// <summary>Two workers that have applied the first steps.</summary>
    private static async Task<BenchWorker[]> TrainAsync(CoordinatorBench bench, int steps = 1)
    {
        var workers = await bench.TrainAsync("a", "b");
        var plan = new BeginPlan(1, 0, CoordinatorBench.Rounds.Count, ["a", "b"], Core.Planning.Topology.Star, [], [], []);
        for (var step = 0; step < steps; step++) await StepAsync(workers, plan, step);
        return workers;
    }
}
