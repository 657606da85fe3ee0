using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Tests.LocalWorkers;

public sealed class RestartPolicyTests
{
    private const int Killed = 128 + 9, Aborted = 128 + 6, SegmentationFault = 128 + 11;

    private static readonly Gen<(int Max, (int Worker, WorkerEnding Ending)[] Endings)> _anyEndings =
        Gen.Select(Gen.Int[0, 20], Gen.Select(Gen.Int[1, 5], Gen.Enum<WorkerEnding>()).Array[0, 60]);

    [Theory]
    [InlineData(0, true, false, WorkerEnding.Left)]
    [InlineData(0, false, false, WorkerEnding.Left)]
    [InlineData(Killed, false, false, WorkerEnding.Killed)]
    [InlineData(Killed, true, false, WorkerEnding.Killed)]
    [InlineData(Aborted, true, false, WorkerEnding.Killed)]
    [InlineData(SegmentationFault, true, false, WorkerEnding.Killed)]
    [InlineData(1, true, false, WorkerEnding.Failed)]
    // Another process would fail in the same way.
    [InlineData(1, false, false, WorkerEnding.Hopeless)]
    [InlineData(2, false, false, WorkerEnding.Hopeless)]
    [InlineData(2, true, false, WorkerEnding.Hopeless)]
    [InlineData(1, true, true, WorkerEnding.Hopeless)]
    [InlineData(SegmentationFault, false, false, WorkerEnding.Hopeless)]
    [InlineData(Aborted, false, false, WorkerEnding.Hopeless)]
    public void An_ending_is_classified_by_exit_code_and_history(int exitCode, bool hasApplied, bool isRefused, WorkerEnding ending) =>
        Assert.Equal(ending, RestartPolicy.EndingOf(exitCode, hasApplied, isRefused));

    [Fact]
    public void The_run_counts_on_all_workers_except_those_given_up()
    {
        string[] started = ["a", "b", "c"];
        var policy = new RestartPolicy(1);
        Assert.Equal(started, policy.LeftOf(started).Order());
        // Also on a worker that has ended, until that is known.
        (policy, _) = policy.Ended("a", WorkerEnding.Left, "");
        Assert.Equal(["b", "c"], policy.LeftOf(started).Order());
        (policy, _) = policy.Ended("b", WorkerEnding.Killed, "killed by signal 9");
        Assert.Equal(["b", "c"], policy.LeftOf(started).Order());
        (policy, _) = policy.Ended("b", WorkerEnding.Killed, "killed by signal 9");
        Assert.Equal(["c"], policy.LeftOf(started).Order());
    }

    [Fact]
    public void The_pause_doubles_with_each_restart_of_the_same_worker_up_to_a_minute()
    {
        var policy = new RestartPolicy(20);
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60], Enumerable.Range(0, 8).Select(_ => Restart("a")));
        Assert.Equal(1, Restart("b"));

        double Restart(string worker)
        {
            (policy, var decision) = policy.Ended(worker, WorkerEnding.Killed, "killed by signal 9");
            return Assert.IsType<RestartDecision.Restart>(decision).After.TotalSeconds;
        }
    }

    [Fact]
    public void The_restarts_of_all_workers_together_stay_within_the_limit() => _anyEndings.Sample((max, endings) =>
    {
        var (policy, restarts) = (new RestartPolicy(max), 0);
        foreach (var (worker, ending) in endings)
        {
            (policy, var decision) = policy.Ended($"worker-{worker}", ending, "something");
            if (ending is WorkerEnding.Left or WorkerEnding.Hopeless) Assert.IsType<RestartDecision.None>(decision);
            else if (decision is RestartDecision.Restart restart) Assert.Equal(++restarts, restart.Number);
            else Assert.Equal(max, restarts);
            Assert.Equal(restarts, policy.Used);
            Assert.InRange(restarts, 0, max);
        }
    });

    [Theory]
    [InlineData(0, "a failed: killed by signal 9; --max-restarts is 0")]
    [InlineData(1, "a failed: killed by signal 9; all 1 restarts (--max-restarts) are used up")]
    public void An_exhausted_budget_is_reported(int max, string why)
    {
        var policy = new RestartPolicy(max);
        for (var i = 0; i < max; i++) (policy, _) = policy.Ended("a", WorkerEnding.Failed, "no memory");
        Assert.Equal(new RestartDecision.None(why), policy.Ended("a", WorkerEnding.Killed, "killed by signal 9").Decision);
    }
}
