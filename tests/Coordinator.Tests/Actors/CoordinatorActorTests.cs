using Akka.Actor;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Runs;
using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>The coordinator's actor makes plans, continues without workers that leave or are lost, and ends failed runs.</summary>
public sealed class CoordinatorActorTests : VirtualTimeKit
{
    [Fact]
    public async Task A_drain_is_answered_when_the_worker_has_left()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a", "b");
        var drained = bench.DrainAsync("b");
        foreach (var worker in workers) await worker.HaltAsync(2, applied: 0);
        Assert.Equal(new(DrainResult.Left, "b has left, as it was asked to"), await drained);
        Assert.Equal("it was asked to leave", (await workers[1].HearAsync<Dismissed>()).Reason);
        Assert.Equal(["a"], (await workers[0].HearAsync<BeginPlan>()).Workers);
        Assert.Contains("b has left, as it was asked to", bench.View.Messages);
    }

    [Fact]
    public async Task A_drain_of_an_unknown_or_lost_worker_is_answered()
    {
        using var bench = new CoordinatorBench(this);
        Assert.Equal(new(DrainResult.Unknown, "there is no worker 'c'; no worker is connected"), await bench.DrainAsync("c"));
        var workers = await bench.TrainAsync("a", "b");
        Assert.Equal(new(DrainResult.Unknown, "there is no worker 'c'; there are a, b"), await bench.DrainAsync("c"));
        var drained = bench.DrainAsync("b");
        workers[1].Say(new Failed("its device is gone"));
        Assert.Equal(new(DrainResult.Failed, "b is lost: its device is gone"), await drained);
    }

    [Fact]
    public async Task Every_drain_of_the_only_worker_with_the_parameters_is_held_back()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        worker.Contribute(new BeginPlan(1, 0, CoordinatorBench.Rounds.Count, ["a"], Topology.Star, [], [], []), 0);
        await worker.ApplyAsync(1, 0);
        var drained = bench.DrainAsync("a");
        await worker.HaltAsync(2, applied: 1);
        DrainOutcome stays = new(
            DrainResult.HeldBack,
            "a wants to leave, but no other worker holds the parameters: it stays until another has them");
        Assert.Equal(stays, await drained);
        Assert.Equal(stays, await bench.DrainAsync("a"));
    }

    [Fact]
    public async Task A_note_that_every_worker_sends_is_recorded_once()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a", "b");
        foreach (var worker in workers) worker.Say(new Noted("the gradient of 'w' is sent only after backward"));
        await bench.HandledAsync();
        var note = Assert.Single(bench.Events, happened => happened.Kind == RunEventKind.Note);
        Assert.Equal("the gradient of 'w' is sent only after backward", note.Text);
    }

    [Fact]
    public async Task A_batch_larger_than_the_training_set_ends_the_run_with_an_explanation()
    {
        using var bench = new CoordinatorBench(this);
        var worker = await bench.RegisterAsync("worker");
        worker.Say(CoordinatorBench.Facts with { TrainSamples = 3 });
        Assert.Equal("batch is 4, but the training set has 3 samples; allowed: 1 to 3", await bench.FailureAsync());
        Assert.StartsWith("the job failed: batch is 4", (await worker.HearAsync<Refused>()).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_plan_waits_for_all_expected_workers()
    {
        using var bench = new CoordinatorBench(this, startWith: 3);
        var (a, b) = (await bench.JoinAsync("a"), await bench.JoinAsync("b"));
        var c = await bench.RegisterAsync("c");
        // The workers receive no other message before these answers.
        await a.RegisterAsync();
        await b.RegisterAsync();
        await c.LinkAsync();
        c.Say(CoordinatorBench.Facts);
        await a.HaltAsync(1, 0);
        await b.HaltAsync(1, 0);
        await a.RegisterAsync();
        await c.HaltAsync(1, 0);
        foreach (var worker in (BenchWorker[])[a, b, c])
        {
            var plan = await worker.HearAsync<BeginPlan>();
            Assert.Equal((1, 0, 3), (plan.Generation, plan.FirstRound, plan.EndRound));
            Assert.Equal(["a", "b", "c"], plan.Workers);
        }
        Assert.Equal("training", bench.View.Last.Phase);
    }

    public enum Loss { Death, Link, Failure, LocalProcess, Violation }

    [Theory]
    [InlineData(Loss.Death, "b is lost: its process is gone")]
    [InlineData(Loss.Link, "b is lost: 127.0.0.1:")]
    [InlineData(Loss.Failure, "b is lost: no memory")]
    [InlineData(Loss.LocalProcess, "b is lost: killed by signal 9")]
    [InlineData(Loss.Violation, "b is lost: b sent an unrequested state")]
    public async Task When_a_worker_is_lost_the_others_continue_under_a_new_generation(Loss loss, string message)
    {
        using var bench = new CoordinatorBench(this, startWith: 3);
        var workers = await bench.TrainAsync("a", "b", "c");
        var b = workers[1];
        switch (loss)
        {
            case Loss.Death:
                Sys.Stop(b.Probe);
                break;
            case Loss.Link:
                b.Link.Dispose();
                break;
            case Loss.Failure:
                b.Say(new Failed("no memory"));
                break;
            case Loss.LocalProcess:
                bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "killed by signal 9", 137));
                break;
            case Loss.Violation:
                b.Link.SendState(1, 0, new byte[8]);
                break;
        }
        await workers[0].HaltAsync(2, 0);
        await workers[2].HaltAsync(2, 0);
        foreach (var worker in (BenchWorker[])[workers[0], workers[2]])
            Assert.Equal(["a", "c"], (await worker.HearAsync<BeginPlan>()).Workers);
        await b.Link.WhenClosed;
        Assert.Contains(bench.View.Messages, m => m.StartsWith(message, StringComparison.Ordinal));
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        await Patience.UntilAsync(() => bench.View.Last.Workers.Length == 2);
        Assert.Equal(["a", "c"], bench.View.Last.Workers.Select(w => w.Name));
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task A_local_worker_that_ends_before_the_first_step_ends_the_run()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var worker = await bench.JoinAsync("a");
        bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "no such device (see b.log)", 1));
        Assert.Equal("b failed: no such device (see b.log)", await bench.FailureAsync());
        Assert.Equal("the job failed: b failed: no such device (see b.log)", (await worker.HearAsync<Refused>()).Reason);
    }

    [Fact]
    public async Task A_local_worker_that_never_joined_the_job_may_end_without_ending_the_run()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        bench.Actor.Tell(new CoordinatorNotice.LocalWorkerEnded("b", "it was turned away", 1));
        await worker.RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task When_the_last_worker_is_local_and_fails_in_the_first_round_the_run_ends()
    {
        using var bench = new CoordinatorBench(this, startWith: 2, local: new("a", "b"));
        var workers = await bench.TrainAsync("a", "b");
        workers[0].Say(new Failed("no memory"));
        await workers[1].HaltAsync(2, 0);
        workers[1].Say(new Failed("no memory either"));
        Assert.Equal("b failed: no memory either (see b.log)", await bench.FailureAsync());
    }

    [Fact]
    public async Task When_all_workers_are_lost_before_the_first_round_a_newcomer_starts_it_again()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("a"))[0];
        worker.Say(new Failed("no memory"));
        var next = await bench.JoinAsync("b");
        await next.HaltAsync(3, 0);
        Assert.Equal(["b"], (await next.HearAsync<BeginPlan>()).Workers);
    }

    [Fact]
    public async Task A_worker_that_asks_to_leave_is_dismissed_and_the_others_continue()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        workers[1].Say(new Leave("the machine is needed"));
        await workers[1].HaltAsync(2, 0);
        await workers[0].HaltAsync(2, 0);
        Assert.Equal("it has asked to leave", (await workers[1].HearAsync<Dismissed>()).Reason);
        Assert.Equal(["a"], (await workers[0].HearAsync<BeginPlan>()).Workers);
        Sys.Stop(workers[1].Probe);
        await workers[0].RegisterAsync();
        Assert.False(bench.HasResult);
    }

    [Fact]
    public async Task The_coordinator_of_a_failed_run_tells_every_worker_before_the_process_ends_and_refuses_a_late_worker()
    {
        using var bench = new CoordinatorBench(this, startWith: 2);
        var workers = await bench.TrainAsync("a", "b");
        bench.Actor.Tell(new CoordinatorNotice.Abort("interrupted"));
        Assert.Equal("interrupted", await bench.FailureAsync());
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bench.Actor.Tell(new CoordinatorNotice.WhenHeard(heard));
        foreach (var worker in workers)
        {
            await bench.HandledAsync();
            Assert.False(heard.Task.IsCompleted);
            Assert.Equal(new Refused("the job failed: interrupted", MayReturn: false), await worker.HearAsync<Refused>());
            worker.Answer();
        }
        await heard.Task.Soon();
        var late = bench.Stranger();
        late.Send(bench.Actor, new Register(MessageCodec.Version, "late", "cpu", [], 0, 0));
        Assert.Equal("the job failed: interrupted", (await late.ExpectMsgAsync<Refused>()).Reason);
    }

    [Fact]
    public async Task A_coordinator_that_steps_aside_tells_the_workers_nothing()
    {
        using var bench = new CoordinatorBench(this);
        var workers = await bench.TrainAsync("a");
        bench.Actor.Tell(new CoordinatorNotice.StepAside("told to stop"));
        Assert.Equal("told to stop", await bench.FailureAsync());
        TaskCompletionSource heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bench.Actor.Tell(new CoordinatorNotice.WhenHeard(heard));
        await heard.Task.Soon();
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        await bench.HandledAsync();
        Assert.DoesNotContain(workers[0].Probe.ReceiveWhile<object>(TimeSpan.Zero, message => message), message => message is Numbered);
    }

    [Fact]
    public async Task An_exception_in_the_actor_ends_the_run_and_stops_the_actor()
    {
        using var bench = new CoordinatorBench(this);
        var worker = (await bench.TrainAsync("worker"))[0];
        Watch(bench.Actor);
        bench.View.OnUpdate = _ => throw new InvalidOperationException("the screen is broken");
        worker.Say(BenchWorker.Applied(BenchWorker.Report(0)));
        bench.Actor.Tell(new CoordinatorNotice.Refresh());
        Assert.Equal("the coordinator could not handle Refresh: the screen is broken", await bench.FailureAsync());
        Assert.Equal(
            "the job failed: the coordinator could not handle Refresh: the screen is broken",
            (await worker.HearAsync<Refused>()).Reason);
        await ExpectTerminatedAsync(bench.Actor);
    }

    [Fact]
    public async Task A_coordinator_that_is_stopped_reports_it()
    {
        using var bench = new CoordinatorBench(this);
        Sys.Stop(bench.Actor);
        Assert.Equal("the coordinator was stopped", await bench.FailureAsync());
    }
}
