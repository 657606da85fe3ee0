using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor collects the result, has it written and dismisses the workers.</summary>
public sealed class CoordinatorResultTests : VirtualTimeKit
{
    [Fact]
    public async Task A_job_ends_with_its_state_and_result_when_all_workers_have_left()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        byte[] state = [1, 2, 3, 4, 5, 6, 7, 8];
        var workers = await bench.TrainAsync("a", "b");
        var plan = new BeginPlan(1, 0, 3, ["a", "b"], Topology.Star, [], [], []);
        for (var round = 0; round < 3; round++) await StepAsync(workers, plan, round);
        await workers[0].SendStateAsync(1, 3, state);
        foreach (var worker in workers) Assert.Equal("the job is done", (await worker.HearAsync<Dismissed>()).Reason);
        Assert.Equal("saving", bench.View.Last.Phase);

        var late = bench.Stranger();
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        Assert.Equal("the job is done", (await late.ExpectMsgAsync<Refused>()).Reason);
        Sys.Stop(workers[0].Probe);
        workers[1].Say(new Failed("too late to matter"));
        bench.Actor.Tell(new CoordinatorNotice.LinkClosed("b", "too late to matter"));
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        await late.ExpectMsgAsync<Refused>();
        Assert.False(bench.HasResult);
        Sys.Stop(workers[1].Probe);
        var result = await bench.Result;
        Assert.Equal(state, result.State);
        Assert.Equal(2, result.Workers);
        Assert.Equal([new(1, GenerationCause.Start, "start")], result.Generations);
        Assert.Equal(2, bench.Recorder.Curves.LastStep!.Step);
        Assert.Equal(0.6, bench.Recorder.Curves.LastEvaluation!.TestMetric.Value);
    }

    [Fact]
    public async Task The_coordinator_does_not_wait_forever_for_a_worker_that_does_not_leave()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a"], Topology.Star, [], [], []), round);
        // A worker that is still preparing at the end has no part in the result.
        var late = await bench.RegisterAsync("late");
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        await workers[0].HearAsync<Dismissed>();
        await late.HearAsync<Dismissed>();
        Assert.False(bench.HasResult);
        PassTime(TimeSpan.FromSeconds(5));
        Assert.Equal(1, (await bench.Result).Workers);
    }

    [Fact]
    public async Task The_state_comes_from_another_worker_when_its_donor_is_lost()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), round);
        await workers[0].HearAsync<SendState>();
        workers[0].Link.Dispose();
        await workers[1].SendStateAsync(1, 3, [8, 7, 6, 5, 4, 3, 2, 1]);
        await workers[1].HearAsync<Dismissed>();
        Sys.Stop(workers[1].Probe);
        Assert.Equal([8, 7, 6, 5, 4, 3, 2, 1], (await bench.Result).State);
    }

    [Fact]
    public async Task The_workers_are_dismissed_when_the_result_is_written_and_not_before()
    {
        var outcome = new ScriptedOutcome();
        using var bench = new CoordinatorBench(this, startWith: 2, outcome: _ => outcome);
        var workers = await bench.TrainAsync("a", "b");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a", "b"], Topology.Star, [], [], []), round);
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        await Patience.UntilAsync(() =>
        {
            PassTime(TimeSpan.FromSeconds(1));
            return outcome.Tries > 2;
        });
        Assert.Single(
            bench.View.Messages,
            line => line.StartsWith("the result cannot be written: No space left on device. The workers stay", StringComparison.Ordinal));
        // The worker has received no message before this answer. The coordinator no longer needs a worker that is lost now.
        await workers[0].RegisterAsync();
        Sys.Stop(workers[0].Probe);
        Assert.False(bench.HasResult);
        outcome.IsFull = false;
        await Patience.UntilAsync(() =>
        {
            PassTime(TimeSpan.FromSeconds(1));
            return outcome.IsWritten;
        });
        Assert.Equal("the job is done", (await workers[1].HearAsync<Dismissed>()).Reason);
        Sys.Stop(workers[1].Probe);
        Assert.Equal(new byte[8], (await bench.Result).State);
    }

    [Fact]
    public async Task An_invalid_result_ends_the_run()
    {
        var outcome = new ScriptedOutcome { Error = new InvalidOperationException("it is none") };
        using var bench = new CoordinatorBench(this, outcome: _ => outcome);
        var workers = await bench.TrainAsync("a");
        for (var round = 0; round < 3; round++) await StepAsync(workers, new(1, 0, 3, ["a"], Topology.Star, [], [], []), round);
        await workers[0].SendStateAsync(1, 3, new byte[8]);
        Assert.Equal("the result cannot be written: it is none", await bench.FailureAsync());
    }

    private sealed class ScriptedOutcome : IRunOutcome
    {
        private volatile int _tries;
        private volatile bool _isWritten;

        public Exception Error { get; init; } = new IOException("No space left on device");

        public bool IsFull { get; set; } = true;

        public int Tries => _tries;

        public bool IsWritten => _isWritten;

        public void Write()
        {
            _tries++;
            if (IsFull) throw Error;
            _isWritten = true;
        }

        public void Tell() => Assert.Fail("Tell was called unexpectedly.");
    }
}
